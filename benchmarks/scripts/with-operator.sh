#!/bin/sh
# Apply a Microservice and wait until Ready. Usage: with-operator.sh NAMESPACE FILE
set -eu
kubectl apply -n "$1" -f "$2"
kubectl wait -n "$1" --for=condition=Ready microservice/users --timeout=180s
