/* What a program does with its command line, and how it says what failed. */
#ifndef PROGRAM_H
#define PROGRAM_H

enum { EXIT_USAGE = 2, EXIT_SYSTEM = 4 };
enum parsed { PARSED_RUN, PARSED_HELP, PARSED_BAD };

/* Say WHAT failed, with errno's words. CODE. */
int program_fail(const char *program, int code, const char *what);
/* Answer --help, or a bad argument with its ERROR: the exit code. -1: the program is to run. */
int program_answer(enum parsed parsed, const char *program, const char *help, const char *error);

#endif
