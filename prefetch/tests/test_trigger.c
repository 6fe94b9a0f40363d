#include "kernel/ring.h"

#include <linux/perf_event.h>
#include <string.h>

#include "guest_c/tests/check.h"

#define SIZE 256u

static char data[SIZE];
static struct ring r;

static void start_at(uint64_t at)
{
	memset(data, 0xee, sizeof(data));
	r = (struct ring){ .data = data, .size = SIZE, .tail = at, .head = at };
}

/* As the kernel writes it: modulo the ring's size. */
static void put(const void *bytes, size_t n)
{
	for (size_t i = 0; i < n; i++)
		data[r.head++ % SIZE] = ((const char *)bytes)[i];
}

static void put_record(uint32_t type, const void *body, size_t n)
{
	struct perf_event_header header = { .type = type, .size = (uint16_t)(sizeof(header) + n) };

	put(&header, sizeof(header));
	put(body, n);
}

static void put_sample(uint64_t id)
{
	struct ring_sample s = { .id = id, .pid = 10, .tid = 11, .time = 1000 + id, .address = 0x7f0000000000 + id };

	put_record(PERF_RECORD_SAMPLE, &s, sizeof(s));
}

static void put_lost(uint64_t n)
{
	uint64_t body[2] = { 7, n };

	put_record(PERF_RECORD_LOST, body, sizeof(body));
}

static void check_sample(uint64_t id)
{
	struct ring_sample s;

	CHECK(ring_next(&r, &s));
	CHECK(s.id == id && s.pid == 10 && s.tid == 11);
	CHECK(s.time == 1000 + id && s.address == 0x7f0000000000 + id);
}

static void check_end(uint64_t lost)
{
	struct ring_sample s;

	CHECK(!ring_next(&r, &s));
	CHECK(r.tail == r.head && r.lost == lost);
}

static void test_samples_in_order(void)
{
	start_at(0);
	check_end(0);
	for (uint64_t id = 1; id <= 6; id++) /* 240 bytes of 256 */
		put_sample(id);
	for (uint64_t id = 1; id <= 6; id++)
		check_sample(id);
	check_end(0);
}

static void test_wrap_around_at_every_byte(void)
{
	for (uint64_t at = 0; at <= SIZE; at++) {
		start_at(at);
		put_lost(2);
		put_sample(1);
		put_sample(2);
		check_sample(1);
		check_sample(2);
		check_end(2);
	}
}

static void test_full_ring(void)
{
	char rest[8] = { 0 };

	start_at(24);
	for (uint64_t id = 1; id <= 6; id++)
		put_sample(id);
	put_record(PERF_RECORD_UNTHROTTLE, rest, sizeof(rest));
	CHECK(r.head - r.tail == SIZE);
	for (uint64_t id = 1; id <= 6; id++)
		check_sample(id);
	check_end(0);
}

static void test_lost_records_are_counted(void)
{
	start_at(0);
	put_lost(3);
	put_sample(1);
	put_lost(4);
	check_sample(1);
	check_end(7);
}

static void test_other_and_short_records_are_skipped(void)
{
	uint64_t body[4] = { 1, 2, 3, 4 };

	start_at(100);
	put_record(PERF_RECORD_THROTTLE, body, sizeof(body));
	put_record(PERF_RECORD_SAMPLE, body, sizeof(body) - 8);
	put_record(PERF_RECORD_SAMPLE, NULL, 0);
	put_record(PERF_RECORD_LOST, body, 8);
	put_sample(5);
	check_sample(5);
	check_end(0);
}

/* A kernel with a longer record has our fields first. */
static void test_longer_sample(void)
{
	uint64_t body[6] = { 5, 0, 1005, 0x7f0000000005, 99, 99 };

	memcpy(&body[1], (uint32_t[]){ 10, 11 }, 8);
	start_at(240);
	put_record(PERF_RECORD_SAMPLE, body, sizeof(body));
	put_sample(6);
	check_sample(5);
	check_sample(6);
	check_end(0);
}

static void test_garbage_ends_the_drain(void)
{
	struct perf_event_header header = { .type = PERF_RECORD_SAMPLE };

	start_at(0);
	put_sample(1);
	put(&header, sizeof(header)); /* of size 0 */
	put_sample(2);
	check_sample(1);
	check_end(1);

	put_sample(3); /* and the next drain goes on */
	check_sample(3);
	check_end(1);
}

static void test_truncated_records(void)
{
	start_at(60);
	put_sample(1);
	put_sample(2);
	r.head -= 8;
	check_sample(1);
	check_end(1);

	start_at(60);
	put_sample(1);
	put("1234", 4); /* not even a header */
	check_sample(1);
	check_end(1);

	start_at(60);
	put_sample(1);
	r.head += SIZE; /* more than a ring holds */
	check_end(1);
}

int main(void)
{
	test_samples_in_order();
	test_wrap_around_at_every_byte();
	test_full_ring();
	test_lost_records_are_counted();
	test_other_and_short_records_are_skipped();
	test_longer_sample();
	test_garbage_ends_the_drain();
	test_truncated_records();
	return 0;
}
