"""The guards of the code, each with the test that misses it: `make guards` takes one after another out and sees that test go red."""
