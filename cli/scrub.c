/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "scrub.h"

/* Beginnings of the words that stay. */
static const char *const harmless[] = {
    "kvm", "nestvmx", "modprobe.blacklist=", "module_blacklist=", "mitigations=", "l1tf=", "mds=", "nosmt", "spectre_v2=",
    "retbleed=", "nokaslr", "intel_iommu=", "amd_iommu=", "iommu=", "hugepages=", "hugepagesz=", "default_hugepagesz=",
    "isolcpus=", "nohz_full=", "lockdown=", "clearcpuid=", "maxcpus=", "nr_cpus=",
};

static bool is_harmless(const char *word, size_t size) {
    if (size > 0 && *word == '"') {
        word++;
        size--;
    }
    for (size_t i = 0; i < ELEMENTSOF(harmless); i++) {
        size_t n = strlen(harmless[i]);

        if (size >= n && memcmp(word, harmless[i], n) == 0)
            return true;
    }
    return false;
}

/* Blanks between double quotes do not end a word (kernel/params.c, next_arg()). */
static size_t word_length(const char *s, const char *end) {
    const char *p = s;

    for (bool quoted = false; p < end && (quoted || !strchr(" \t\n", *p)); p++)
        if (*p == '"')
            quoted = !quoted;
    return p - s;
}

void scrub_cmdline(char *text, size_t *size) {
    const char *end = memchr(text, '\n', *size);
    char *out = text;

    if (memchr(text, '\0', *size)) { /* no command line: it stays one that is not read */
        *text = '\0';
        *size = 1;
        return;
    }
    end = end ? end : text + *size;
    for (char *p = text; p < end;) {
        size_t n = word_length(p, end);

        if (n == 2 && memcmp(p, "--", 2) == 0) /* the rest is for init */
            break;
        if (n > 0 && is_harmless(p, n)) {
            if (out > text)
                *out++ = ' ';
            memmove(out, p, n);
            out += n;
        }
        p += n > 0 ? n : 1;
    }
    if (*size > 0)
        *out++ = '\n'; /* there was at least one byte, and each word that stayed had one behind it or was the last */
    *size = out - text;
}

static bool speaks_of_kvm(const char *s, size_t size) {
    return memmem(s, size, "kvm", 3) || memmem(s, size, "nestvmx", 7);
}

/* To the end of the logical line: a backslash before the newline continues it. */
static size_t logical_line(const char *s, size_t size) {
    size_t n = 0;

    while (n < size) {
        const char *newline = memchr(s + n, '\n', size - n);

        if (!newline)
            return size;
        n = newline - s + 1;
        if (n < 2 || s[n - 2] != '\\')
            break;
    }
    return n;
}

/* A command or a module's name has nothing but these; "key=secret" ends at its '='. */
static bool is_plain(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == '-';
}

/* The first two words, unless it is a comment. */
static size_t harmless_length(const char *line, size_t size) {
    size_t n = 0;

    for (int word = 0; word < 2; word++) {
        size_t begin = n;

        while (begin < size && strchr(" \t", line[begin]))
            begin++;
        if (begin >= size || !is_plain(line[begin]))
            break;
        n = begin;
        while (n < size && is_plain(line[n]))
            n++;
        if (n < size && !strchr(" \t\n\\", line[n]))
            break;
    }
    return n;
}

void scrub_config(char *text, size_t *size) {
    char *out = text;

    for (size_t i = 0, n; i < *size; i += n) {
        char *line = text + i;
        size_t keep;
        unsigned newlines = 0;

        n = logical_line(line, *size - i);
        if (line[strspn(line, " \t")] != '#' && speaks_of_kvm(line, n)) {
            memmove(out, line, n);
            out += n;
            continue;
        }
        for (size_t j = 0; j < n; j++)
            newlines += line[j] == '\n';
        keep = harmless_length(line, n);
        memmove(out, line, keep);
        out += keep;
        memset(out, '\n', newlines);
        out += newlines;
    }
    *size = out - text;
}

static void keep_records(char *text, size_t *size, char separator) {
    char *out = text;

    for (size_t i = 0, n; i < *size; i += n) {
        const char *end = memchr(text + i, separator, *size - i);

        n = end ? (size_t)(end - text) - i + 1 : *size - i;
        if (speaks_of_kvm(text + i, n)) {
            memmove(out, text + i, n);
            out += n;
        }
    }
    *size = out - text;
}

void scrub_lines(char *text, size_t *size) {
    keep_records(text, size, '\n');
}

void scrub_records(char *text, size_t *size) {
    keep_records(text, size, '\0');
}
