/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <systemd/sd-journal.h>
#include "common/text.h"
#include "kernel-log.h"

#define WAIT_USEC UINT64_C(500000)
#define LINES_MAX 1000

static int add_matches(sd_journal *j) {
    static const char *const priorities[] = { "PRIORITY=0", "PRIORITY=1", "PRIORITY=2", "PRIORITY=3", "PRIORITY=4" };
    int r = sd_journal_add_match(j, "_TRANSPORT=kernel", 0);

    /* Several of one field are alternatives, sd_journal_add_match(3). */
    for (size_t i = 0; i < ELEMENTSOF(priorities) && r >= 0; i++)
        r = sd_journal_add_match(j, priorities[i], 0);
    return r;
}

static int last_line(sd_journal *j, uint64_t since, char **ret) {
    _cleanup_free_ char *found = NULL;
    int r = sd_journal_seek_realtime_usec(j, since);

    for (unsigned n = 0; r >= 0 && n < LINES_MAX && (r = sd_journal_next(j)) > 0; n++) {
        static const size_t prefix = sizeof("MESSAGE=") - 1;
        const void *data;
        size_t size;
        char *line;

        if (sd_journal_get_data(j, "MESSAGE", &data, &size) < 0 || size < prefix)
            continue;
        line = text_clean((const char *)data + prefix, size - prefix, TEXT_MAX);
        if (!line)
            return -ENOMEM;
        if (strcasestr(line, "kvm")) {
            free(found);
            found = line;
        } else
            free(line);
    }
    if (r < 0)
        return r;
    if (!found)
        return -ENOENT;
    *ret = TAKE_PTR(found);
    return 0;
}

int kernel_log_about_kvm(uint64_t realtime_usec, char **ret) {
    _cleanup_(sd_journal_closep) sd_journal *j = NULL;
    int r = sd_journal_open(&j, SD_JOURNAL_LOCAL_ONLY | SD_JOURNAL_SYSTEM);

    if (r < 0 || (r = add_matches(j)) < 0)
        return r;
    r = last_line(j, realtime_usec, ret);
    if (r == -ENOENT && sd_journal_wait(j, WAIT_USEC) > SD_JOURNAL_NOP)
        r = last_line(j, realtime_usec, ret);
    return r;
}
