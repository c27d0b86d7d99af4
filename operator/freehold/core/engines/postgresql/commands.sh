# Functions of start.sh that run long commands: copies take as long as they take.

# Runs a long command in the background, so that the signal traps of the pod's first process take effect meanwhile. A copy
# takes as long as it takes: it is ended only after 30 minutes without progress, as with a primary that hangs.
run() {
  local command watchdog status=0
  "$@" & command=$!
  end_if_stalled "$command" "$1" & watchdog=$!
  wait "$command" || status=$?
  kill "$watchdog" 2>/dev/null || true
  return "$status"
}

end_if_stalled() {
  local before="" now idle=0
  while sleep 60 && kill -0 "$1" 2>/dev/null; do
    now=$(bytes_moved "$1") || true
    [[ $now && $now == "$before" ]] && ((++idle)) || idle=0
    before=$now
    ((idle < 30)) || { log "$2 has made no progress for 30 minutes: ending it" && kill "$1" && return; }
  done
}

# What a process and its children have read and written so far (proc_pid_io(5)); empty where that cannot be read.
bytes_moved() {
  local process
  for process in "$1" $(cat "/proc/$1/task/$1/children" 2>/dev/null); do
    grep -E '^[rw]char' "/proc/$process/io" 2>/dev/null
  done
}
