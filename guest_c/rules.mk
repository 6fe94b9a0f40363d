# How every C program of the guest is compiled. A part's Makefile says TOP, the way to the project's folder, and includes
# this; an include names a header by its path from the part's folder, or from the project's ("guest_c/clock.h").
CC = gcc
CFLAGS = -O2 -g
# What the code cannot do without is added whatever CFLAGS the user gives.
override CFLAGS += -std=c11 -Wall -Wextra -Wshadow -Wconversion -Werror -Wformat=2
override CPPFLAGS += -D_GNU_SOURCE -I. -I$(TOP) -MMD -MP
SANITIZE = -fsanitize=address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer
COMPILE = @mkdir -p $(@D) && $(CC) $(CPPFLAGS) $(CFLAGS)

RULES := $(MAKEFILE_LIST)

SHARED = $(patsubst $(TOP)/guest_c/%.c,guest_c/%.o,$(wildcard $(TOP)/guest_c/*.c))

all:

build/objects/%.o: %.c $(RULES)
	$(COMPILE) -c -o $@ $<

build/objects/guest_c/%.o: $(TOP)/guest_c/%.c $(RULES)
	$(COMPILE) -c -o $@ $<

# A program is linked with what it needs of these.
build/parts.a: $(PARTS:%=build/objects/%) $(SHARED:%=build/objects/%)
	@rm -f $@ && ar rcs $@ $^

# Static, so that it runs whatever libraries the guest has.
LINK = $(CC) $(CFLAGS) -static -o $@ $^ $(LDLIBS)

# For tests: the same sources under sanitizers.
build/sanitized/%.o: %.c $(RULES)
	$(COMPILE) $(SANITIZE) -c -o $@ $<

build/sanitized/guest_c/%.o: $(TOP)/guest_c/%.c $(RULES)
	$(COMPILE) $(SANITIZE) -c -o $@ $<

build/sanitized/parts.a: $(PARTS:%=build/sanitized/%) $(SHARED:%=build/sanitized/%)
	@rm -f $@ && ar rcs $@ $^

build/tests/test_%: build/sanitized/tests/test_%.o build/sanitized/parts.a
	@mkdir -p $(@D) && $(CC) $(CFLAGS) $(SANITIZE) -o $@ $(filter %.o,$^) $(filter %.a,$^) $(LDLIBS)

TESTS = $(patsubst %.c,build/%,$(wildcard tests/test_*.c))

check: $(TESTS)
	@for test in $^; do echo $$test; $$test || exit 1; done

clean:
	rm -rf build

.PHONY: all check clean
.SECONDARY:
-include $(shell find build -name '*.d' 2>/dev/null)
