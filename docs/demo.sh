#!/usr/bin/env bash
# The main job on a folder: sample files for five pipelines, one run, three questions. Called by `make demo`; LAKE and ROWS from there.
set -euo pipefail
lakelet="$PWD/.venv/bin/lakelet"
export LAKELET_LAKE="${LAKE:-lake}"
rows="${ROWS:-1000000}"

say() { if [ -t 1 ]; then printf '\n\033[1m%s\033[0m\n' "$*"; else printf '\n%s\n' "$*"; fi; }
samples() { printf '  %-14s' "$1:"; "$lakelet" sample "$1" --rows "$2" | tail -n 1; }
ask() { printf '\n$ lakelet query "%s"\n' "$1"; "$lakelet" query "$1"; }

say "1. Sample files arrive in $LAKELET_LAKE: good ones, late ones, duplicates, bad rows and bad files"
samples transactions 20000
samples ecommerce 2000
samples iot 20000
samples events 20000
samples commerce "$rows"

say "2. lakelet run: every file is checked against its contract, loaded exactly once, joined, exported"
"$lakelet" run

say "3. The same again: nothing is loaded twice"
"$lakelet" run

say "4. Ask"
ask "select country, count(*) as users, sum(orders) as orders, sum(total_amount) as revenue from user_activity group by country order by revenue desc limit 5"
ask "select department, sum(orders) as orders, sum(sales) as sales from daily_sales_by_department group by department order by sales desc limit 5"
ask "select _source[:60] as object, position, reasons from quarantine.transactions limit 5"

say "Where everything is"
cat <<END
  pipelines/              the declarations: one YAML file a dataset, one YAML and one SQL file a transform
  $LAKELET_LAKE/                  the lake: Delta tables (curated/, processed/, silver/, gold/, ...), exports/, archived/, rejected/, quarantine/

What to try next
  .venv/bin/lakelet status                         how every table stands
  .venv/bin/lakelet query "from transactions"      any SQL, over any table
  .venv/bin/lakelet check                          break a declaration first: every problem comes with its line
  cp $LAKELET_LAKE/rejected/*/orders/*.xlsx somewhere, mend it, put it into $LAKELET_LAKE/raw/orders/, and: .venv/bin/lakelet run
END
