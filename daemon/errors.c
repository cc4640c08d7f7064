/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "manager.h"

/* What the engine's errno means on the bus. WHY, if not NULL, says it better than strerror(), and with R 0 says it all. */
int error_from_errno(sd_bus_error *e, int r, const char *why) {
    static const struct {
        int error;
        const char *name, *message;
    } table[] = {
        { EBUSY, NESTD_ERROR_BLOCKED, "Another nestd or nestctl is changing this host; try again when it is done" },
        { ENOMEM, SD_BUS_ERROR_NO_MEMORY, "Out of memory" },
    };

    if (!why)
        FOREACH_ARRAY(t, table, ELEMENTSOF(table))
            if (t->error == abs(r))
                return sd_bus_error_set(e, t->name, t->message);
    return sd_bus_error_setf(e, NESTD_ERROR_FAILED, "%s%s%s", strempty(why), why && r != 0 ? ": " : "",
                             why && r == 0 ? "" : strerror(abs(r)));
}
