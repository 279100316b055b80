#!/usr/bin/env bash
# Run a command with a Slurm of one node on this machine, which lives in a temporary folder and ends with the command.
#   tests/clusters/slurm.sh python -m pytest -m cluster tests/clusters/test_slurm.py
# Needs Debian's slurm-wlm, slurmdbd, munge and mariadb-server, and root: slurmd starts jobs as their users. The database is
# for the accounting, as clusters have it: by `sacct` alone does submitit learn that a job has ended without a result.
set -euo pipefail
place=$(mktemp -d /tmp/phmbench-slurm-XXXXXX)
chmod 755 "$place"
mkdir "$place"/{munge,state,spool,accounts}
pids=()
stop() {
    scancel --user=root 2>/dev/null || true
    for pid in "${pids[@]}"; do kill "$pid" 2>/dev/null || true; done
    for _ in $(seq 300); do kill -0 "${pids[@]}" 2>/dev/null || break; sleep 0.1; done
    for pid in "${pids[@]}"; do kill -KILL "$pid" 2>/dev/null || true; done
    rm -rf "$place"
}
trap stop EXIT

# munge: its key and socket belong to the user that runs it, in folders that nobody else writes to
dd if=/dev/urandom of="$place/munge/key" bs=128 count=1 status=none
chmod 400 "$place/munge/key"
munged --foreground --force --key-file="$place/munge/key" --socket="$place/munge/socket" \
    --pid-file="$place/munge/pid" --log-file="$place/munge/log" --seed-file="$place/munge/seed" &
pids+=($!)

ports=($(python3 -c '
import socket
sockets = [socket.socket() for _ in range(4)]
for one in sockets: one.bind(("127.0.0.1", 0))
print(*(one.getsockname()[1] for one in sockets))'))
cores=$(env -u OMP_NUM_THREADS nproc --all)

# the accounts: a MariaDB without passwords, that nobody reaches but this machine while the command runs
mariadb-install-db --no-defaults --user=root --datadir="$place/accounts" --skip-test-db > "$place/mariadb.out" 2>&1
mariadbd --no-defaults --user=root --datadir="$place/accounts" --socket="$place/mariadb.socket" --skip-grant-tables \
    --bind-address=127.0.0.1 --port="${ports[2]}" --innodb-buffer-pool-size=64M >> "$place/mariadb.out" 2>&1 &
pids+=($!)
cat > "$place/slurmdbd.conf" <<CONF
AuthType=auth/munge
AuthInfo=socket=$place/munge/socket
DbdHost=localhost
DbdPort=${ports[3]}
SlurmUser=root
PidFile=$place/slurmdbd.pid
LogFile=$place/slurmdbd.log
StorageType=accounting_storage/mysql
StorageHost=127.0.0.1
StoragePort=${ports[2]}
StorageUser=root
StorageLoc=slurm
CONF
chmod 600 "$place/slurmdbd.conf"
cat > "$place/slurm.conf" <<CONF
ClusterName=phmbench
SlurmctldHost=$(hostname -s)(127.0.0.1)
SlurmctldPort=${ports[0]}
SlurmdPort=${ports[1]}
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
AuthInfo=socket=$place/munge/socket
CredType=cred/munge
StateSaveLocation=$place/state
SlurmdSpoolDir=$place/spool
SlurmctldPidFile=$place/slurmctld.pid
SlurmdPidFile=$place/slurmd.pid
SlurmctldLogFile=$place/slurmctld.log
SlurmdLogFile=$place/slurmd.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
MpiDefault=none
ReturnToService=2
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
SchedulerParameters=batch_sched_delay=0,sched_interval=2,sched_min_interval=0
JobRequeue=1
KillWait=15
MinJobAge=300
AccountingStorageType=accounting_storage/slurmdbd
AccountingStorageHost=localhost
AccountingStoragePort=${ports[3]}
AccountingStoragePass=$place/munge/socket
JobAcctGatherType=jobacct_gather/none
NodeName=$(hostname -s) NodeAddr=127.0.0.1 CPUs=$cores State=UNKNOWN
PartitionName=main Nodes=ALL Default=YES MaxTime=INFINITE State=UP
CONF
export SLURM_CONF="$place/slurm.conf"
touch "$place/cgroup.conf"
for _ in $(seq 300); do [ -S "$place/mariadb.socket" ] && break; sleep 0.2; done
slurmdbd -D > "$place/slurmdbd.out" 2>&1 &
pids+=($!)
for _ in $(seq 150); do sacctmgr --noheader --parsable2 show cluster > /dev/null 2>&1 && break; sleep 0.2; done
sacctmgr --immediate --quiet add cluster phmbench > /dev/null
slurmctld -D -f "$SLURM_CONF" > "$place/slurmctld.out" 2>&1 &
pids+=($!)
slurmd -D -f "$SLURM_CONF" > "$place/slurmd.out" 2>&1 &
pids+=($!)
for _ in $(seq 300); do
    [ "$(sinfo --noheader --format=%T 2>/dev/null)" = idle ] && break
    sleep 0.2
done
if [ "$(sinfo --noheader --format=%T 2>/dev/null)" != idle ]; then
    echo "Slurm did not start:" >&2
    tail -n 20 "$place"/*.log "$place"/*.out >&2
    exit 1
fi
"$@"
