# Functions of start.sh that fit the server to the size of its volume. Sizes are in MiB.

reserve=${PGDATA%/*}/reserve # a file whose space is given up once the volume is full; empty: given up
segment=16                   # of the WAL
read_only=false              # whether the volume is full, so that the service cannot write

# Prints total and free space of the volume.
measure_volume() { df -Pm "${PGDATA%/*}" | { read -r _ && read -r _ total _ free _ && echo "$total $free"; }; }

# The declared size of the volume or, where less, the size of the file system: a directory of a node is as large as the
# node's disk, and a volume that could not grow is smaller than declared.
volume_size() {
  local total free declared
  read -r total free < <(measure_volume)
  declared=$(cat /freehold/volume-mebibytes 2>/dev/null) || declared=$total
  between "$declared" 1 "$total"
}

between() { echo $(($1 < $2 ? $2 : $1 > $3 ? $3 : $1)); }

# Bounds the WAL to about a quarter of the volume: once there is no room for WAL, the server stops. From 8 GiB on, the
# settings are PostgreSQL's defaults, with 256 MB for standbys that reconnect. A base backup that lags behind by more
# than max_slot_wal_keep_size is given up, and starts again.
bound_wal() {
  local eighth=$(($(volume_size) / 8))
  arguments+=(
    -c "max_wal_size=$(between $eighth 32 1024)MB" -c "min_wal_size=$(between $eighth 32 80)MB"
    -c "wal_keep_size=$(between $eighth 32 256)MB" -c "max_slot_wal_keep_size=$(between $eighth 64 2147483647)MB"
  )
}

# A base backup alone takes two segments more.
reserve_size() { between $(($(volume_size) / 8)) $((2 * segment)) $((4 * segment)); }

free_space() {
  local total free
  read -r total free < <(measure_volume)
  echo "$free"
}

# Keeps a reserve on the volume. If the volume is full, gives the reserve up, so that the server can recover and be copied
# elsewhere, and starts the server read-only for the service, which would only fill the volume again. Programs of a move
# write nevertheless (roles.sql).
keep_reserve() {
  local free size
  free=$(free_space) size=$(reserve_size)
  if ((free < segment)) || { [[ -e $reserve && ! -s $reserve ]] && ! has_room "$free" "$size"; }; then
    read_only=true
    [[ ! -e $reserve ]] || : >"$reserve"
    arguments+=(-c default_transaction_read_only=on -c wal_keep_size=0) # the next segments are the old ones
    log "the volume is full: read-only until it has $((segment + 2 * size)) MiB free. Raise spec.database.storage.size, or"
    log "move to a larger volume."
  elif [[ ! -s $reserve ]] && has_room "$free" "$size"; then
    fallocate --length "${size}MiB" "$reserve" 2>/dev/null || rm -f "$reserve"
  fi
}

has_room() { (($1 >= segment + 2 * $2)); }

# Whether the volume of a read-only server has room again, for example since it has grown.
has_room_again() { [[ $read_only == true ]] && has_room "$(free_space)" "$(reserve_size)"; }
