"""A stand-in for AWS on one machine: the template's own resources, made in moto one by one, with the real functions behind them.

What is real: the template (translated by aws-sam-translator), each resource's properties, the functions' code and environment, S3's objects
and versions, conditional writes, events and their patterns, batches, partial responses, dead letters, the state machines' states, retries
and catches. What is shorter is in pace.py.

What is not: nobody is asked for permission (roles and policies are kept and not judged; calls.jsonl tells who did what), nothing is
encrypted, throttled or expired, alarms never ring, schedules fire when somebody says so, Athena answers nothing. Functions that run as
processes know no memory limit and no other system than this one; as containers they do.
"""
