#!/bin/sh
# Java options for a small service: fast start, a heap of at most half of the memory limit, other memory limited, and
# exit when memory is exhausted.
exec java -XX:SharedArchiveFile=/opt/invoices/classes.jsa -Xshare:auto -Xlog:cds=off -Xlog:cds+dynamic=off \
  -XX:+UseSerialGC -XX:TieredStopAtLevel=1 -XX:MaxRAMPercentage=50 -XX:MaxMetaspaceSize=128m -XX:ReservedCodeCacheSize=32m \
  -XX:+ExitOnOutOfMemoryError -XX:-UsePerfData -jar /opt/invoices/invoices.jar "$@"
