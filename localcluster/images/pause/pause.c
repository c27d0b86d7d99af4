/* The process that holds a pod's namespaces: it reaps what is left to it and ends when told to. */
#include <signal.h>

int main(void) {
    sigset_t ends;
    int received;
    sigemptyset(&ends);
    sigaddset(&ends, SIGINT);
    sigaddset(&ends, SIGTERM);
    sigprocmask(SIG_BLOCK, &ends, 0); /* process 1 loses signals it neither handles nor blocks */
    signal(SIGCHLD, SIG_IGN);         /* the kernel reaps orphans by itself */
    return sigwait(&ends, &received);
}
