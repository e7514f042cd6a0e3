/* A stand-in for NVIDIA's management library: the symbols that Drydock calls, told what to do by a file.
 *
 * The file lies beside the library, "<library>.conf", and is read at every call; later lines count over earlier ones:
 *   gpus=2                  how many there are (2 if it is not said)
 *   memory=80               GiB of each
 *   hang=60                 every call but those of events sleeps this many seconds first
 *   hang_events=60          so does the wait for events
 *   gone=1                  the GPU with this index has fallen off the bus
 *   init=9                  what nvmlInit_v2 answers (9: the driver is not loaded)
 *   power=250000            milliwatts of each; -1: it does not tell
 *   ecc=0,3,1               GPU 0 mended 3 errors of its memory and could not mend 1
 *   mig=0,2                 GPU 0 is cut into 2 instances
 *   process=0,4242,BYTES    a program on GPU 0; on its second instance: process=0.1,…
 *   xid=79@0#3              GPU 0 tells an Xid 79; each serial number (#) is told once, so that a line can stay
 *   double=0#4              GPU 0 tells memory errors that it could not mend
 *   lost=1                  the wait for events says that some GPU is lost
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { OK = 0, INVALID_ARGUMENT = 2, NOT_SUPPORTED = 3, NOT_FOUND = 6, INSUFFICIENT_SIZE = 7, TIMEOUT = 10, GPU_LOST = 15 };
enum { DOUBLE_BIT_ECC = 2, XID = 8 };
enum { MOST_SERIALS = 1024, MOST_INSTANCES = 7 };

struct memory_v2 { unsigned version; unsigned long long total, reserved, available, used; };
struct utilization { unsigned gpu, memory; };
struct process { unsigned pid; unsigned long long memory; unsigned gpu_instance, compute_instance; };
struct event { void *device; unsigned long long type, data; unsigned gpu_instance, compute_instance; };

static FILE *orders(void) {
    Dl_info self;
    char path[4096];
    if (!dladdr((void *)orders, &self)) return NULL;
    snprintf(path, sizeof path, "%s.conf", self.dli_fname);
    return fopen(path, "r");
}

/* the value of the next line with this name; line is where it is kept */
static const char *next_order(FILE *file, const char *name, char *line, size_t size) {
    size_t length = strlen(name);
    while (fgets(line, (int)size, file))
        if (!strncmp(line, name, length) && line[length] == '=') return line + length + 1;
    return NULL;
}

static int told(const char *name, int otherwise) {
    char line[256];
    const char *value;
    FILE *file = orders();
    if (!file) return otherwise;
    while ((value = next_order(file, name, line, sizeof line))) sscanf(value, "%d", &otherwise);
    fclose(file);
    return otherwise;
}

/* a handle is its index and one, so that none is null; an instance's has its slot and one in the thousands */
static void *handle(int index, int slot) { return (void *)(intptr_t)(index + 1 + 1000 * (slot + 1)); }
static int index_of(void *device) { return (int)((intptr_t)device % 1000) - 1; }
static int slot_of(void *device) { return (int)((intptr_t)device / 1000) - 1; }

static int begin(void) { sleep((unsigned)told("hang", 0)); return OK; }
static int is_there(void *device) { return told("gone", -1) == index_of(device) ? GPU_LOST : OK; }
static int reach(void *device) { begin(); return is_there(device); }

static int instances_of(int index) {
    int gpu, count, found = 0;
    char line[256];
    const char *value;
    FILE *file = orders();
    if (!file) return 0;
    while ((value = next_order(file, "mig", line, sizeof line)))
        if (sscanf(value, "%d,%d", &gpu, &count) == 2 && gpu == index) found = count;
    fclose(file);
    return found;
}

/* the programs on a device, at most as many as there is room; answers how many there are */
static unsigned processes_on(void *device, struct process *into, unsigned room) {
    int gpu, slot;
    unsigned pid, count = 0;
    unsigned long long bytes;
    char line[256];
    const char *value;
    FILE *file = orders();
    if (!file) return 0;
    while ((value = next_order(file, "process", line, sizeof line))) {
        slot = -1;
        if (sscanf(value, "%d.%d,%u,%llu", &gpu, &slot, &pid, &bytes) != 4 &&
            (slot = -1, sscanf(value, "%d,%u,%llu", &gpu, &pid, &bytes) != 3)) continue;
        /* a GPU that is cut up lists the programs of its instances, too */
        if (gpu != index_of(device) || (slot_of(device) >= 0 && slot != slot_of(device))) continue;
        if (count < room) into[count] = (struct process){ pid, bytes, slot < 0 ? ~0U : (unsigned)slot, ~0U };
        count++;
    }
    fclose(file);
    return count;
}

int nvmlInit_v2(void) { begin(); return told("init", OK); }
int nvmlShutdown(void) { return OK; }
const char *nvmlErrorString(int code) { (void)code; return "fake"; }
int nvmlSystemGetDriverVersion(char *text, unsigned size) { snprintf(text, size, "570.00"); return begin(); }
int nvmlDeviceGetCount_v2(unsigned *count) { *count = (unsigned)told("gpus", 2); return begin(); }

int nvmlDeviceGetHandleByIndex_v2(unsigned index, void **device) {
    if ((int)index >= told("gpus", 2)) return INVALID_ARGUMENT;
    *device = handle((int)index, -1);
    return begin();
}

/* kept by the library, so that a driver that hangs still has its devices' names */
int nvmlDeviceGetUUID(void *device, char *text, unsigned size) {
    if (slot_of(device) < 0) snprintf(text, size, "GPU-00000000-0000-0000-0000-%012d", index_of(device));
    else snprintf(text, size, "MIG-00000000-0000-0000-%04d-%012d", index_of(device), slot_of(device));
    return is_there(device);
}

int nvmlDeviceGetName(void *device, char *text, unsigned size) {
    if (slot_of(device) < 0) snprintf(text, size, "Fake GPU %d", index_of(device));
    else snprintf(text, size, "Fake GPU %d MIG 1g", index_of(device));
    return reach(device);
}

int nvmlDeviceGetMemoryInfo_v2(void *device, struct memory_v2 *memory) {
    struct process all[64];
    unsigned count = processes_on(device, all, 64);
    memory->total = (unsigned long long)told("memory", 80) << 30;
    if (slot_of(device) >= 0) memory->total /= MOST_INSTANCES;
    memory->used = slot_of(device) < 0 ? (unsigned long long)(index_of(device) + 1) << 30 : 0;
    for (unsigned i = 0; i < count && i < 64; i++) memory->used += all[i].memory;
    memory->available = memory->total - memory->used;
    return reach(device);
}

int nvmlDeviceGetUtilizationRates(void *device, struct utilization *rates) {
    if (slot_of(device) >= 0) return NOT_SUPPORTED;
    rates->gpu = (unsigned)(10 * (index_of(device) + 1));
    rates->memory = 5;
    return reach(device);
}

int nvmlDeviceGetTemperature(void *device, int sensor, unsigned *celsius) {
    (void)sensor;
    *celsius = 40 + (unsigned)index_of(device);
    return reach(device);
}

int nvmlDeviceGetPowerUsage(void *device, unsigned *milliwatts) {
    int power = told("power", 60000);
    if (power < 0) return NOT_SUPPORTED;
    *milliwatts = (unsigned)power;
    return reach(device);
}

int nvmlDeviceGetEnforcedPowerLimit(void *device, unsigned *milliwatts) { *milliwatts = 400000; return reach(device); }

int nvmlDeviceGetClockInfo(void *device, int kind, unsigned *mhz) {
    *mhz = kind == 1 ? 1410 : 1215;
    return reach(device);
}

int nvmlDeviceGetTotalEccErrors(void *device, int kind, int counter, unsigned long long *count) {
    int gpu;
    unsigned long long mended, lasting;
    char line[256];
    const char *value;
    FILE *file = orders();
    (void)counter;
    *count = 0;
    while (file && (value = next_order(file, "ecc", line, sizeof line)))
        if (sscanf(value, "%d,%llu,%llu", &gpu, &mended, &lasting) == 3 && gpu == index_of(device))
            *count = kind == 0 ? mended : lasting;
    if (file) fclose(file);
    return reach(device);
}

int nvmlDeviceGetComputeRunningProcesses_v3(void *device, unsigned *count, struct process *all) {
    unsigned room = all ? *count : 0;
    *count = processes_on(device, all, room);
    if (*count > room) return INSUFFICIENT_SIZE;
    return reach(device);
}

int nvmlDeviceGetMigMode(void *device, unsigned *current, unsigned *pending) {
    if (slot_of(device) >= 0) return NOT_SUPPORTED;
    *current = *pending = instances_of(index_of(device)) > 0;
    return reach(device);
}

int nvmlDeviceGetMaxMigDeviceCount(void *device, unsigned *count) { *count = MOST_INSTANCES; return reach(device); }

int nvmlDeviceGetMigDeviceHandleByIndex(void *device, unsigned slot, void **instance) {
    if ((int)slot >= instances_of(index_of(device))) return NOT_FOUND;
    *instance = handle(index_of(device), (int)slot);
    return reach(device);
}

int nvmlEventSetCreate(void **set) { static int only; *set = &only; return OK; }
int nvmlEventSetFree(void *set) { (void)set; return OK; }

int nvmlDeviceGetSupportedEventTypes(void *device, unsigned long long *types) {
    *types = DOUBLE_BIT_ECC | XID;
    return is_there(device);
}

int nvmlDeviceRegisterEvents(void *device, unsigned long long types, void *set) {
    (void)types, (void)set;
    return is_there(device);
}

/* only one thread waits */
static int is_news(int serial) {
    static int known[MOST_SERIALS], count;
    for (int i = 0; i < count; i++)
        if (known[i] == serial) return 0;
    if (count < MOST_SERIALS) known[count++] = serial;
    return 1;
}

static int next_event(struct event *event) {
    int gpu, serial, found = 0;
    unsigned long long code;
    char line[256];
    const char *value;
    FILE *file = orders();
    if (!file) return 0;
    while (!found && fgets(line, sizeof line, file)) {
        value = strchr(line, '=');
        if (value && !strncmp(line, "xid=", 4) && sscanf(value + 1, "%llu@%d#%d", &code, &gpu, &serial) == 3 && is_news(serial)) {
            *event = (struct event){ handle(gpu, -1), XID, code, ~0U, ~0U };
            found = 1;
        } else if (value && !strncmp(line, "double=", 7) && sscanf(value + 1, "%d#%d", &gpu, &serial) == 2 && is_news(serial)) {
            *event = (struct event){ handle(gpu, -1), DOUBLE_BIT_ECC, 0, ~0U, ~0U };
            found = 1;
        }
    }
    fclose(file);
    return found;
}

int nvmlEventSetWait_v2(void *set, struct event *event, unsigned timeout_ms) {
    (void)set;
    sleep((unsigned)told("hang_events", 0));
    for (unsigned waited = 0; waited <= timeout_ms; waited += 50) {
        if (told("lost", 0)) return GPU_LOST;
        if (next_event(event)) return OK;
        usleep(50000);
    }
    return TIMEOUT;
}
