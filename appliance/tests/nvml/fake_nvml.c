/* A stand-in for NVIDIA's management library: the few symbols that Drydock calls, told what to do by a file.
 *
 * The file lies beside the library, "<library>.conf", and is read at every call:
 *   gpus=2     how many there are (2 if it is not said)
 *   hang=60    every call sleeps this many seconds first
 *   gone=1     the GPU with this index has fallen off the bus
 *   init=9     what nvmlInit_v2 answers (9: the driver is not loaded)
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { OK = 0, INVALID_ARGUMENT = 2, GPU_LOST = 15 };

struct memory_v2 { unsigned version; unsigned long long total, reserved, available, used; };
struct utilization { unsigned gpu, memory; };

static int told(const char *name, int otherwise) {
    Dl_info self;
    char path[4096], line[256];
    if (!dladdr((void *)told, &self)) return otherwise;
    snprintf(path, sizeof path, "%s.conf", self.dli_fname);
    FILE *file = fopen(path, "r");
    if (!file) return otherwise;
    size_t length = strlen(name);
    while (fgets(line, sizeof line, file))
        if (!strncmp(line, name, length) && line[length] == '=') sscanf(line + length + 1, "%d", &otherwise);
    fclose(file);
    return otherwise;
}

static int begin(void) { sleep(told("hang", 0)); return OK; }
/* a handle is its index and one, so that none is null */
static int index_of(void *device) { return (int)(intptr_t)device - 1; }
static int reach(void *device) { begin(); return told("gone", -1) == index_of(device) ? GPU_LOST : OK; }

int nvmlInit_v2(void) { begin(); return told("init", OK); }
int nvmlShutdown(void) { return OK; }
const char *nvmlErrorString(int code) { (void)code; return "fake"; }
int nvmlSystemGetDriverVersion(char *text, unsigned size) { snprintf(text, size, "570.00"); return begin(); }
int nvmlDeviceGetCount_v2(unsigned *count) { *count = (unsigned)told("gpus", 2); return begin(); }

int nvmlDeviceGetHandleByIndex_v2(unsigned index, void **device) {
    if ((int)index >= told("gpus", 2)) return INVALID_ARGUMENT;
    *device = (void *)(intptr_t)(index + 1);
    return begin();
}

int nvmlDeviceGetUUID(void *device, char *text, unsigned size) {
    snprintf(text, size, "GPU-00000000-0000-0000-0000-%012d", index_of(device));
    return reach(device);
}

int nvmlDeviceGetName(void *device, char *text, unsigned size) {
    snprintf(text, size, "Fake GPU %d", index_of(device));
    return reach(device);
}

int nvmlDeviceGetMemoryInfo_v2(void *device, struct memory_v2 *memory) {
    memory->total = 80ULL << 30;
    memory->used = (unsigned long long)(index_of(device) + 1) << 30;
    memory->available = memory->total - memory->used;
    return reach(device);
}

int nvmlDeviceGetUtilizationRates(void *device, struct utilization *rates) {
    rates->gpu = (unsigned)(10 * (index_of(device) + 1));
    rates->memory = 5;
    return reach(device);
}

int nvmlDeviceGetTemperature(void *device, int sensor, unsigned *celsius) {
    (void)sensor;
    *celsius = 40 + (unsigned)index_of(device);
    return reach(device);
}
