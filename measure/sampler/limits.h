/* Fixed sizes: after its start the sampler allocates nothing. */
#ifndef LIMITS_H
#define LIMITS_H

#define LINE_CAP 65536u	  /* longest line; the decoder's limit is the same */
#define FILE_CAP 262144u /* longest file that is read */
#define NAME_CAP 64u
#define MAX_GROUPS 8
#define MAX_DISKS 8
#define MAX_PROCS 256 /* processes in a tick: more do not fit in LINE_CAP */
#define MAX_ENDS 1024 /* processes with ended threads in one recording */
#define MAX_DEPTH 8   /* cgroups below one another */

#endif
