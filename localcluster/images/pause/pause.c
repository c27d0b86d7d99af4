/* The process that holds a pod's namespaces: reaps orphans and exits on SIGINT or SIGTERM. */
#include <signal.h>

int main(void) {
    sigset_t ends;
    int received;
    sigemptyset(&ends);
    sigaddset(&ends, SIGINT);
    sigaddset(&ends, SIGTERM);
    sigprocmask(SIG_BLOCK, &ends, 0); /* the kernel drops signals that process 1 neither handles nor blocks */
    signal(SIGCHLD, SIG_IGN);         /* the kernel reaps orphans */
    return sigwait(&ends, &received);
}
