/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "guest-state.h"

#include "facts.h"
#include "guest-mark.h"
#include "text.h"

#define BY_CONF "nestd.conf"

/* Can it stand in a line of words? */
static bool is_word(const char *s, size_t size) {
    return !s || (*s && strlen(s) < size && !streq(s, "-") && !strpbrk(s, " \t\r\n"));
}

static const char *word(const char *s) {
    return s ? s : "-";
}

static char *format_exposed(const struct guest_wish *w) {
    struct guest_state limits;

    if (!is_word(w->model, sizeof(limits.model)) || !is_word(w->profile, sizeof(limits.profile)))
        return strdup(GUEST_STATE_ORIGINAL);
    return text_format("expose %s %s %s %s%s", extension_to_string(w->extension), cpu_mode_to_string(w->mode), word(w->model),
                       word(w->profile), w->by_conf ? " " BY_CONF : "");
}

char *guest_state_hidden(enum extension extension) {
    return text_format("hide %s", extension_to_string(extension));
}

int guest_state_read(const char *xml, char **ret) {
    _cleanup_guest_mark_ struct guest_mark mark = {};
    _cleanup_guest_doc_ struct guest_doc d = {};
    char *s;
    int r = guest_doc_open(xml, strlen(xml), &d, NULL);

    if (r < 0 || (r = guest_mark_read(&d, &mark)) == -ENOMEM)
        return r;
    enum nest nest = r < 0 ? NEST_NO : guest_doc_nest(&d, mark.wish.extension);
    if (r >= 0 && mark.wish.action == GUEST_HIDE && nest == NEST_NO)
        s = guest_state_hidden(mark.wish.extension);
    else if (r >= 0 && mark.wish.action == GUEST_EXPOSE && nest == NEST_CONFIGURED)
        s = format_exposed(&mark.wish);
    else
        s = strdup(GUEST_STATE_ORIGINAL);
    if (!s)
        return -ENOMEM;
    *ret = s;
    return 0;
}

static int parse_extension(const char *s, enum extension *ret) {
    for (enum extension e = EXTENSION_VMX; e < _EXTENSION_MAX; e++)
        if (streq(s, extension_to_string(e))) {
            *ret = e;
            return 0;
        }
    return -EBADMSG;
}

int guest_state_parse(const char *text, struct guest_state *ret) {
    char action[8], extension[8], mode[24], by[16];
    int n, cpu_mode;

    *ret = (struct guest_state){.wish.action = GUEST_UNDO};
    if (streq(text, GUEST_STATE_ORIGINAL))
        return 0;
    n = sscanf(text, "%7s %7s %23s %127s %255s %15s", action, extension, mode, ret->model, ret->profile, by);
    if (n < 2 || parse_extension(extension, &ret->wish.extension) < 0)
        return -EBADMSG;
    if (n == 2 && streq(action, "hide")) {
        ret->wish.action = GUEST_HIDE;
        return 0;
    }
    if (n < 5 || (n == 6 && !streq(by, BY_CONF)) || !streq(action, "expose") || (cpu_mode = cpu_mode_from_string(mode)) < 0)
        return -EBADMSG;
    ret->wish.action = GUEST_EXPOSE;
    ret->wish.by_conf = n == 6;
    ret->wish.mode = (enum cpu_mode)cpu_mode;
    ret->wish.model = streq(ret->model, "-") ? NULL : ret->model;
    ret->wish.profile = streq(ret->profile, "-") ? NULL : ret->profile;
    return 0;
}
