/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Roots that nobody would call a machine: whatever stands where the probe reads, it comes back with facts, in bounded
 * memory and time, and what it hands on is valid UTF-8. Each case runs in a child, whose memory is measured. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <fcntl.h>
#include <sys/resource.h>
#include <sys/wait.h>

#include "tests/unit/support-probe.h"
#include "tests/unit/support-root.h"
#include "text.h"

#ifdef __SANITIZE_ADDRESS__
#define SANITIZED 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define SANITIZED 1
#endif
#endif
#ifdef SANITIZED
#define MEMORY_KIB (512 * 1024) /* freed memory stays in quarantine */
#else
#define MEMORY_KIB (12 * 1024)
#endif

static const char cpu[] = "processor\t: 0\nvendor_id\t: GenuineIntel\ncpu family\t: 6\nmodel name\t: Test\n"
                          "flags\t\t: fpu vmx ept vpid\nvmx flags\t: ept vpid invvpid shadow_vmcs\n\n";

static int setup(void **state) {
    *state = temp_root_new();
    return 0;
}

static int teardown(void **state) {
    temp_root_free(*state);
    return 0;
}

/* As nobody, whom permissions bind; a hang ends by SIGALRM. */
static void study_in_child(const char *dir, bool as_nobody) {
    struct rusage usage;
    int status;
    pid_t pid = fork();

    assert_true(pid >= 0);
    if (pid == 0) {
        alarm(120);
        if (as_nobody && getuid() == 0 && (setgid(65534) < 0 || setuid(65534) < 0))
            _exit(2);
        const char *broken = study_root(dir);
        if (broken)
            fprintf(stderr, "broken: %s\n", broken);
        exit(broken != NULL); /* not _exit(): leaks are to be told */
    }
    assert_int_equal(wait4(pid, &status, 0, &usage), pid);
    assert_int_equal(status, 0);
    if (getenv("NESTD_VERBOSE"))
        fprintf(stderr, "%ld KiB\n", usage.ru_maxrss);
    if (usage.ru_maxrss > MEMORY_KIB)
        fail_msg("%ld KiB were used, %d may be", usage.ru_maxrss, MEMORY_KIB);
}

/* Every path gets what PUT makes of it, around a CPU and a kernel that lead the probe everywhere; then each path alone. */
static void everywhere(const char *dir, void (*put)(const char *dir, const char *path)) {
    for (const char *const *p = probed_paths; *p; p++)
        put(dir, *p);
    study_in_child(dir, false);

    _cleanup_free_ char *cpuinfo = text_format("%s/proc/cpuinfo", dir);
    assert_int_equal(remove(cpuinfo), 0);
    temp_root_puts(dir, "/proc/cpuinfo", cpu);
    temp_root_puts(dir, "/proc/sys/kernel/osrelease", PROBED_KERNEL "\n");
    study_in_child(dir, false);

    _cleanup_free_ char *init = text_format("%s/sys/module/kvm_intel", dir), *away = text_format("%s/sys/away", dir);
    if (rename(init, away) == 0) /* not loaded: modinfo is read */
        study_in_child(dir, false);
}

static void test_empty(void **state) {
    assert_int_equal(chmod(*state, 0755), 0);
    study_in_child(*state, false);
    study_in_child(*state, true);
}

static void put_random(const char *dir, const char *path) {
    static unsigned seed = 1;
    char data[10000];

    for (size_t i = 0; i < sizeof(data); i++)
        data[i] = rand_r(&seed);
    temp_root_write(dir, path, data, rand_r(&seed) % sizeof(data));
}

static void test_random(void **state) {
    everywhere(*state, put_random);
}

/* Modules that begin as one and go on at random: libkmod is the one to bear it. */
static void test_elf(void **state) {
    static const char path[] = "/lib/modules/" PROBED_KERNEL "/kernel/arch/x86/kvm/kvm-intel.ko";
    _cleanup_sysroot_ struct sysroot *live = NULL;
    _cleanup_close_ int fd = -EBADF;
    unsigned seed = 7;
    char data[4096];

    assert_int_equal(sysroot_open("/", &live), 0);
    assert_true((fd = sysroot_openat(live, "/proc/self/exe", O_RDONLY, 0)) >= 0);
    temp_root_puts(*state, "/proc/cpuinfo", cpu);
    temp_root_puts(*state, "/proc/sys/kernel/osrelease", PROBED_KERNEL "\n");
    for (int round = 0; round < 20; round++) {
        assert_int_equal(pread(fd, data, sizeof(data), 0), sizeof(data));
        for (size_t i = round % 2 ? 64 : 16; i < sizeof(data); i++)
            if (round > 1)
                data[i] = rand_r(&seed) % (round < 10 ? 4 : 256);
        temp_root_write(*state, path, data, round == 0 ? 20 : sizeof(data));
        study_in_child(*state, false);
    }
}

/* Invalid UTF-8, terminal controls, and no NUL that would stop the reader early. */
static void put_text(const char *dir, const char *path) {
    temp_root_puts(dir, path, "options kvm_intel nested=\xFF\x1B[31m\xC0\xAF \xED\xA0\x80=1\n[\xFF]\n\xFE=1\n"
                              "vendor_id: \xFF\nmodel name: \xC2\x9B\xFF\nkvm_intel.\xFF=\xFE\nkvm_intel.parm=\xFF:\xFF\n");
}

static void test_text(void **state) {
    everywhere(*state, put_text);
}

static void put_huge(const char *dir, const char *path) {
    _cleanup_free_ char *full = text_format("%s%s", dir, path);

    temp_root_puts(dir, path, "options kvm_intel nested=1\n");
    assert_int_equal(truncate(full, INT64_C(1) << 40), 0); /* sparse */
}

static void test_huge(void **state) {
    everywhere(*state, put_huge);
}

static void put_fifo(const char *dir, const char *path) {
    _cleanup_free_ char *full = text_format("%s%s", dir, path);

    temp_root_puts(dir, path, "");
    assert_int_equal(unlink(full), 0);
    assert_int_equal(mkfifo(full, 0666), 0);
}

static void test_fifo(void **state) {
    everywhere(*state, put_fifo);
}

static void put_directory(const char *dir, const char *path) {
    _cleanup_free_ char *inner = text_format("%s/inner", path);

    temp_root_puts(dir, inner, "");
    /* everywhere() replaces this one by a file */
    if (streq(path, "/proc/cpuinfo")) {
        _cleanup_free_ char *full = text_format("%s%s", dir, inner);
        assert_int_equal(unlink(full), 0);
    }
}

static void test_directory(void **state) {
    everywhere(*state, put_directory);
}

static void put_loop(const char *dir, const char *path) {
    temp_root_link(dir, path, path);
}

static void test_loop(void **state) {
    everywhere(*state, put_loop);
}

static void put_escape(const char *dir, const char *path) {
    temp_root_link(dir, "../../../../../../../../../../../proc/self/mem", path);
}

static void test_escape(void **state) {
    everywhere(*state, put_escape);
}

static void put_unreadable(const char *dir, const char *path) {
    _cleanup_free_ char *full = text_format("%s%s", dir, path);

    temp_root_puts(dir, path, "options kvm_intel nested=1\n");
    assert_int_equal(chmod(full, 0), 0);
}

static void test_unreadable(void **state) {
    for (const char *const *p = probed_paths; *p; p++)
        put_unreadable(*state, *p);
    assert_int_equal(chmod(*state, 0755), 0);
    study_in_child(*state, true);
}

/* The root itself, and a directory on the way. */
static void test_closed(void **state) {
    _cleanup_free_ char *etc = text_format("%s/etc", (char *)*state);
    _cleanup_sysroot_ struct sysroot *root = NULL;

    temp_root_puts(*state, "/etc/modprobe.d/a.conf", "options kvm_intel nested=1\n");
    assert_int_equal(chmod(*state, 0755), 0);
    assert_int_equal(chmod(etc, 0), 0);
    study_in_child(*state, true);
    assert_int_equal(chmod(etc, 0755), 0);
    assert_int_equal(sysroot_open("/nonexistent/root", &root), -ENOENT);
}

static void test_many_cpus(void **state) {
    _cleanup_free_ char *path = text_format("%s/proc/cpuinfo", (char *)*state);
    _cleanup_sysroot_ struct sysroot *root = NULL;
    _cleanup_host_facts_ struct host_facts *facts = NULL;
    char filler[3500];

    memset(filler, 'x', sizeof(filler));
    temp_root_puts(*state, "/proc/cpuinfo", "");
    temp_root_puts(*state, "/sys/devices/system/cpu/present", "0-8191\n");
    _cleanup_fclose_ FILE *f = fopen(path, "w");
    for (int i = 0; i < 8192; i++) /* as long as a real one: 30 MB in all */
        fprintf(f, "processor\t: %d\nvendor_id\t: GenuineIntel\ncpu family\t: 6\nflags\t\t: fpu %s%.*s\n\n", i,
                i == 8000 ? "" : "vmx ", (int)sizeof(filler), filler);
    fclose(TAKE_PTR(f));
    study_in_child(*state, false);
    assert_int_equal(sysroot_open(*state, &root), 0);
    assert_int_equal(probe_host(root, &facts), 0);
    assert_int_equal(facts->n_cpus, 8192);
    assert_int_equal(facts->n_cpus_present, 8192);
    assert_int_equal(facts->n_cpus_without_extension, 1);
}

/* A line is cut, and the one after it is whole. */
static void test_long_lines(void **state) {
    static char text[3 << 20];
    _cleanup_sysroot_ struct sysroot *root = NULL;
    _cleanup_host_facts_ struct host_facts *facts = NULL;
    size_t n = sprintf(text, "processor\t: 0\ncpu family\t: 6\nflags\t\t: ");

    memset(text + n, 'x', 1 << 20);
    n += 1 << 20;
    n += sprintf(text + n, "\nvendor_id\t: AuthenticAMD\nmodel name\t: ");
    memset(text + n, 'm', 1 << 20);
    n += 1 << 20;
    n += sprintf(text + n, "\nprocessor\t: 1\nflags\t\t: svm\n");
    temp_root_write(*state, "/proc/cpuinfo", text, n);
    n = sprintf(text, "options kvm_amd nested=");
    memset(text + n, '1', 500000);
    n += 500000;
    n += sprintf(text + n, "\noptions kvm_amd npt=0\n");
    temp_root_write(*state, "/etc/modprobe.d/a.conf", text, n);
    study_in_child(*state, false);
    assert_int_equal(sysroot_open(*state, &root), 0);
    assert_int_equal(probe_host(root, &facts), 0);
    assert_int_equal(facts->n_cpus, 2);
    assert_int_equal(facts->n_cpus_without_extension, 1);
    assert_int_equal(facts->vendor, VENDOR_AMD);
    assert_int_equal(strlen(facts->model), 256);
    assert_int_equal(facts->n_options, 2);
    assert_int_equal(strlen(facts->options[0].value), TEXT_MAX);
    assert_string_equal(facts->options[1].parameter, "npt");
}

static void test_many_of_all(void **state) {
    static char text[1 << 20];
    size_t n = 0;

    temp_root_puts(*state, "/proc/cpuinfo", cpu);
    temp_root_puts(*state, "/proc/sys/kernel/osrelease", PROBED_KERNEL "\n");
    for (int i = 0; i < 2000; i++) {
        _cleanup_free_ char *file = text_format("/etc/modprobe.d/%d.conf", i),
                            *parameter = text_format("/sys/module/kvm/parameters/p%d", i),
                            *dropin = text_format("/etc/nestd/nestd.conf.d/%d.conf", i);
        temp_root_puts(*state, file, "options kvm_intel nested=1\n");
        temp_root_puts(*state, parameter, "1\n");
        temp_root_puts(*state, dropin, "[Features]\nnested=on\n");
    }
    while (n < sizeof(text) - 100)
        n += sprintf(text + n, "options kvm_intel p%zu=1 nested=0\nfrob\nblacklist kvm_intel\n", n);
    temp_root_write(*state, "/run/modprobe.d/many.conf", text, n);
    study_in_child(*state, false);
}

/* A release that would lead out of /lib/modules. */
static void test_release(void **state) {
    _cleanup_sysroot_ struct sysroot *root = NULL;
    _cleanup_host_facts_ struct host_facts *facts = NULL;

    temp_root_puts(*state, "/proc/cpuinfo", cpu);
    temp_root_puts(*state, "/proc/sys/kernel/osrelease", "../../tmp\n");
    temp_root_puts(*state, "/tmp/kernel/arch/x86/kvm/kvm-intel.ko", "");
    study_in_child(*state, false);
    assert_int_equal(sysroot_open(*state, &root), 0);
    assert_int_equal(probe_host(root, &facts), 0);
    assert_null(facts->kernel);
    assert_int_equal(facts->vendor_module.state, MODULE_ABSENT);
    assert_int_equal(facts->n_warnings, 1);
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void) {
    const struct CMUnitTest tests[] = {
        T(test_empty), T(test_random), T(test_elf), T(test_text), T(test_huge), T(test_fifo), T(test_directory), T(test_loop),
        T(test_escape), T(test_unreadable), T(test_closed), T(test_many_cpus), T(test_long_lines), T(test_many_of_all),
        T(test_release),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
