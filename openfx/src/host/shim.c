/*
 * The calls of OpenFX that take any number of arguments.
 *
 * Rust can call such functions and cannot be one. Each function here finds out what its arguments
 * are, lines them up, and hands them to a function of Rust with fixed arguments.
 */

#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { STATUS_FAILED = 1, STATUS_UNSUPPORTED = 5, STATUS_MEMORY = 8 };
enum { MOST_VALUES = 4 };

/* One argument of paramSetValue. */
typedef union {
    int whole;
    double real;
    const char *text;
} ofx_host_value;

/* The functions of Rust. */
struct ofx_host_hooks {
    /* How many values a parameter has; their kind ('i', 'd', 's', 0 for none) goes to *kind. */
    int (*shape)(void *param, int *kind);
    /* Writes the values to *out[0..count]; time is null for the current one. */
    int (*get)(void *param, const double *time, void *const *out, int count);
    int (*set)(void *param, const double *time, const ofx_host_value *in, int count);
    /* version 1 or 2 of the suite; text is null for a format that cannot be used. */
    int (*say)(int version, int persistent, void *handle, const char *type, const char *id,
               const char *text);
};

static struct ofx_host_hooks hooks;

void ofx_host_install(const struct ofx_host_hooks *functions) { hooks = *functions; }

static int get_values(void *param, const double *time, va_list arguments) {
    void *out[MOST_VALUES] = {0};
    int kind = 0;
    int count = hooks.shape(param, &kind);
    for (int i = 0; i < count && i < MOST_VALUES; i++)
        out[i] = va_arg(arguments, void *);
    return hooks.get(param, time, out, count);
}

static int set_values(void *param, const double *time, va_list arguments) {
    ofx_host_value in[MOST_VALUES] = {{0}};
    int kind = 0;
    int count = hooks.shape(param, &kind);
    for (int i = 0; i < count && i < MOST_VALUES; i++) {
        if (kind == 'i')
            in[i].whole = va_arg(arguments, int);
        else if (kind == 'd')
            in[i].real = va_arg(arguments, double);
        else
            in[i].text = va_arg(arguments, const char *);
    }
    return hooks.set(param, time, in, count);
}

int ofx_host_get_value(void *param, ...) {
    va_list arguments;
    va_start(arguments, param);
    int status = get_values(param, NULL, arguments);
    va_end(arguments);
    return status;
}

int ofx_host_get_value_at(void *param, double time, ...) {
    va_list arguments;
    va_start(arguments, time);
    int status = get_values(param, &time, arguments);
    va_end(arguments);
    return status;
}

int ofx_host_set_value(void *param, ...) {
    va_list arguments;
    va_start(arguments, param);
    int status = set_values(param, NULL, arguments);
    va_end(arguments);
    return status;
}

int ofx_host_set_value_at(void *param, double time, ...) {
    va_list arguments;
    va_start(arguments, time);
    int status = set_values(param, &time, arguments);
    va_end(arguments);
    return status;
}

/* No host of note offers these two. */
int ofx_host_derivative(void *param, double time, ...) {
    (void)param;
    (void)time;
    return STATUS_UNSUPPORTED;
}

int ofx_host_integral(void *param, double from, double to, ...) {
    (void)param;
    (void)from;
    (void)to;
    return STATUS_UNSUPPORTED;
}

/* "%n" writes to memory and has no place in a message. */
static int writes(const char *format) {
    for (const char *at = strchr(format, '%'); at; at = strchr(at + 1, '%')) {
        at += 1 + strspn(at + 1, "-+ #0123456789.*'hlLqjzt");
        if (*at == 'n')
            return 1;
        if (!*at)
            return 0;
    }
    return 0;
}

static int say(int version, int persistent, void *handle, const char *type, const char *id,
               const char *format, va_list arguments) {
    if (!format || writes(format))
        return hooks.say(version, persistent, handle, type, id, NULL);
    va_list again;
    va_copy(again, arguments);
    int length = vsnprintf(NULL, 0, format, again);
    va_end(again);
    if (length < 0)
        return hooks.say(version, persistent, handle, type, id, NULL);
    char *text = malloc((size_t)length + 1);
    if (!text)
        return STATUS_MEMORY;
    int written = vsnprintf(text, (size_t)length + 1, format, arguments);
    int status = written == length
                     ? hooks.say(version, persistent, handle, type, id, text)
                     : STATUS_FAILED;
    free(text);
    return status;
}

int ofx_host_message_v1(void *handle, const char *type, const char *id, const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    int status = say(1, 0, handle, type, id, format, arguments);
    va_end(arguments);
    return status;
}

int ofx_host_message_v2(void *handle, const char *type, const char *id, const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    int status = say(2, 0, handle, type, id, format, arguments);
    va_end(arguments);
    return status;
}

int ofx_host_persistent_message(void *handle, const char *type, const char *id,
                                const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    int status = say(2, 1, handle, type, id, format, arguments);
    va_end(arguments);
    return status;
}
