/* team.h: threads for yardsticks. */
#ifndef BENCH_TEAM_H
#define BENCH_TEAM_H

typedef struct team team;

/* NULL where threads cannot be made. */
team *team_new(int threads);
void team_free(team *t);
/* Runs body(arg, part, parts) on all threads, parts = threads; returns when all are done. */
void team_run(team *t, void (*body)(void *arg, int part, int parts), void *arg);
/* Inside body: waits until every part has come here. */
void team_wait(team *t);

#endif
