/* golden.h: text that must equal a file of tests/golden. Run a test with SN_UPDATE_GOLDEN=1 to write the files anew,
 * and read the difference before keeping it. */
#ifndef GOLDEN_H
#define GOLDEN_H

/* Fails the running test with the differing lines unless text equals the file, and where there is no such file. name is
 * relative to tests/golden. */
void golden_check(const char *name, const char *text);

#endif
