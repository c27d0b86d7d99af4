#!/bin/sh
# Java as a small service wants it: quick to start, a heap of at most half of the memory it may use, and threads' other
# needs bounded. It ends when memory is out, rather than go on without.
exec java -XX:SharedArchiveFile=/opt/invoices/classes.jsa -Xshare:auto -Xlog:cds=off -Xlog:cds+dynamic=off \
  -XX:+UseSerialGC -XX:TieredStopAtLevel=1 -XX:MaxRAMPercentage=50 -XX:MaxMetaspaceSize=128m -XX:ReservedCodeCacheSize=32m \
  -XX:+ExitOnOutOfMemoryError -XX:-UsePerfData -jar /opt/invoices/invoices.jar "$@"
