#!/bin/sh
# Apply the objects that the operator would create, stage by stage; each stage waits for the end of the stage before.
# Usage: without-operator.sh NAMESPACE FOUNDATION-AND-DATABASE MIGRATIONS SERVICE
set -eu
kubectl apply -n "$1" -f "$2"
kubectl wait -n "$1" --for=jsonpath='{.status.readyReplicas}'=1 statefulset/users-database --timeout=180s
kubectl apply -n "$1" -f "$3"
kubectl wait -n "$1" --for=condition=Complete job -l app.kubernetes.io/instance=users --timeout=180s
kubectl apply -n "$1" -f "$4"
kubectl wait -n "$1" --for=condition=Available deployment/users --timeout=180s
