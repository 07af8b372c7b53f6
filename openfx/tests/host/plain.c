/*
 * A plug-in in plain C, compiled by the test that loads it: what crosses the interface here is
 * laid out by a C compiler, above all the calls that take any number of arguments.
 */

#include <stddef.h>
#include <string.h>

typedef struct Host {
    void *host;
    const void *(*fetch)(void *host, const char *name, int version);
} Host;

typedef struct Plugin {
    const char *api;
    int api_version;
    const char *identifier;
    unsigned major, minor;
    void (*set_host)(Host *host);
    int (*main)(const char *action, const void *handle, void *in, void *out);
} Plugin;

typedef struct Property {
    int (*set_pointer)(void *set, const char *name, int index, void *value);
    int (*set_string)(void *set, const char *name, int index, const char *value);
    int (*set_double)(void *set, const char *name, int index, double value);
    int (*set_int)(void *set, const char *name, int index, int value);
    void *set_n[4];
    int (*get_pointer)(void *set, const char *name, int index, void **value);
    int (*get_string)(void *set, const char *name, int index, char **value);
    int (*get_double)(void *set, const char *name, int index, double *value);
    int (*get_int)(void *set, const char *name, int index, int *value);
    void *rest[6];
} Property;

typedef struct Effect {
    int (*properties)(const void *effect, void **set);
    int (*params)(const void *effect, void **set);
    int (*define_clip)(const void *effect, const char *name, void **set);
    int (*clip)(const void *effect, const char *name, void **clip, void **set);
    int (*clip_properties)(void *clip, void **set);
    int (*image)(void *clip, double time, const void *region, void **image);
    int (*release)(void *image);
    void *rest[6];
} Effect;

typedef struct Param {
    int (*define)(void *set, const char *type, const char *name, void **properties);
    int (*handle)(void *set, const char *name, void **param, void **properties);
    void *property_sets[2];
    int (*get)(void *param, ...);
    int (*get_at)(void *param, double time, ...);
    void *calculus[2];
    int (*set)(void *param, ...);
    int (*set_at)(void *param, double time, ...);
    void *rest[8];
} Param;

typedef struct Message {
    int (*say)(const void *handle, const char *type, const char *id, const char *format, ...);
    int (*persist)(const void *handle, const char *type, const char *id, const char *format, ...);
    int (*clear)(const void *handle);
} Message;

static Host *host;
static const Property *property;
static const Effect *effect;
static const Param *param;
static const Message *message;

#ifdef UNDEFINED
int nobody_defines_this(void);
#endif

static void set_host(Host *given) { host = given; }

static void clip(const void *handle, const char *name) {
    void *set = NULL;
    effect->define_clip(handle, name, &set);
    property->set_string(set, "OfxImageEffectPropSupportedComponents", 0, "OfxImageComponentRGBA");
}

static void *parameter(const void *handle, const char *name) {
    void *set = NULL, *found = NULL;
    effect->params(handle, &set);
    param->handle(set, name, &found, NULL);
    return found;
}

static int describe(const void *handle) {
    void *set = NULL;
    effect->properties(handle, &set);
    property->set_string(set, "OfxPropLabel", 0, "Plain");
    property->set_string(set, "OfxImageEffectPropSupportedContexts", 0,
                         "OfxImageEffectContextFilter");
    property->set_string(set, "OfxImageEffectPropSupportedPixelDepths", 0, "OfxBitDepthFloat");
    return 0;
}

static int describe_in_context(const void *handle) {
    void *set = NULL, *made = NULL;
    clip(handle, "Source");
    clip(handle, "Output");
    effect->params(handle, &set);
    param->define(set, "OfxParamTypeRGBA", "colour", &made);
    param->define(set, "OfxParamTypeInteger", "count", &made);
    param->define(set, "OfxParamTypeString", "text", &made);
    return 0;
}

static int changed(const void *handle) {
    double r = 0, g = 0, b = 0, a = 0;
    int count = 0;
    char *text = NULL;
    param->get(parameter(handle, "colour"), &r, &g, &b, &a);
    param->get_at(parameter(handle, "count"), 2.0, &count);
    param->get(parameter(handle, "text"), &text);
    if (count == 0) {
        param->set(parameter(handle, "colour"), g, b, a, r);
        param->set(parameter(handle, "count"), (int)strlen(text));
        param->set(parameter(handle, "text"), "from C");
    }
    message->say(handle, "OfxMessageMessage", "", "%s %d %.2f %s %c%%", "count is", count, r, text,
                 'x');
    return 0;
}

static int render(const void *handle, void *in) {
    double time = 0, colour[4] = {0};
    int window[4] = {0}, bounds[4] = {0}, stride = 0;
    void *output = NULL, *image = NULL, *data = NULL;
    property->get_double(in, "OfxPropTime", 0, &time);
    param->get_at(parameter(handle, "colour"), time, colour, colour + 1, colour + 2, colour + 3);
    effect->clip(handle, "Output", &output, NULL);
    if (effect->image(output, time, NULL, &image) != 0)
        return 1;
    property->get_pointer(image, "OfxImagePropData", 0, &data);
    property->get_int(image, "OfxImagePropRowBytes", 0, &stride);
    for (int i = 0; i < 4; i++) {
        property->get_int(in, "OfxImageEffectPropRenderWindow", i, window + i);
        property->get_int(image, "OfxImagePropBounds", i, bounds + i);
    }
    for (int y = window[1]; y < window[3]; y++) {
        char *row = (char *)data + (ptrdiff_t)(y - bounds[1]) * stride;
        for (int x = window[0]; x < window[2]; x++)
            for (int i = 0; i < 4; i++)
                ((float *)row)[(x - bounds[0]) * 4 + i] = (float)colour[i];
    }
    return effect->release(image);
}

static int main_entry(const char *action, const void *handle, void *in, void *out) {
    (void)out;
    if (!strcmp(action, "OfxActionLoad")) {
        property = host->fetch(host->host, "OfxPropertySuite", 1);
        effect = host->fetch(host->host, "OfxImageEffectSuite", 1);
        param = host->fetch(host->host, "OfxParameterSuite", 1);
        message = host->fetch(host->host, "OfxMessageSuite", 2);
#ifdef UNDEFINED
        return nobody_defines_this();
#endif
        return property && effect && param && message ? 0 : 4;
    }
    if (!strcmp(action, "OfxActionDescribe"))
        return describe(handle);
    if (!strcmp(action, "OfxImageEffectActionDescribeInContext"))
        return describe_in_context(handle);
    if (!strcmp(action, "OfxActionInstanceChanged"))
        return changed(handle);
    if (!strcmp(action, "OfxImageEffectActionRender"))
        return render(handle, in);
    return 14;
}

static Plugin plugin = {"OfxImageEffectPluginAPI", 1, "org.example.plain", 3, 4, set_host, main_entry};

int OfxGetNumberOfPlugins(void) { return 1; }

#ifndef NO_ENTRY
Plugin *OfxGetPlugin(int nth) { return nth == 0 ? &plugin : NULL; }
#endif
