/* What the program says about a run: lines while it goes on, or one JSON object at the end; times; digits in the
 * terminal, the picture, the weights as a file. */
#ifndef MNIST_REPORT_H
#define MNIST_REPORT_H

#include <stdbool.h>
#include <stdint.h>

#include "network.h"

/* Two clocks: of the wall, and of the processors that worked for this program, from its start. */
typedef struct report_time {
    double wall, cpu;
} report_time;

typedef struct report_epoch_result {
    double loss, accuracy, seconds;
} report_epoch_result;

typedef struct report {
    const mnist_options *options;
    const mnist_data *data;
    uint8_t *answer; /* of the last test */
    int64_t right;
    report_time start, mark, training, before; /* before: of the epochs before this one */
    report_epoch_result *epoch;
    int64_t n_epoch;
} report;

report_time report_now(void);

/* Before anything is computed: start is when the program began. Files that cannot be written are found out here. */
bool report_open(report *r, const mnist_options *options, const mnist_data *data, report_time start);
bool report_start(report *r, const network *net);
/* Around training alone. */
void report_training(report *r);
void report_trained(report *r);
bool report_epoch(report *r, double loss);
bool report_end(report *r, network *net);
void report_free(report *r);

#endif
