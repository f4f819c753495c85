// What this package uses of ONNX Runtime's C interface, declared by ourselves: the interface is a table of function
// pointers whose order never changes and to which later versions only add. capi_test.go holds the positions against
// the header of the version that we were written for.
#ifndef PENSTOCK_ONNX_CAPI_H
#define PENSTOCK_ONNX_CAPI_H

#include <stddef.h>
#include <stdint.h>

// PST_API is the version of the table that is asked for; a library that lacks it gives none.
#define PST_API 24

#define PST_MAX_RANK 16

// Positions in the table.
enum {
	PST_GetErrorCode = 1,
	PST_GetErrorMessage = 2,
	PST_CreateEnv = 3,
	PST_CreateSession = 7,
	PST_Run = 9,
	PST_CreateSessionOptions = 10,
	PST_EnableMemPattern = 16,
	PST_DisableMemPattern = 17,
	PST_SetSessionLogSeverityLevel = 22,
	PST_SetIntraOpNumThreads = 24,
	PST_SetInterOpNumThreads = 25,
	PST_CreateRunOptions = 39,
	PST_RunOptionsSetTerminate = 46,
	PST_RunOptionsUnsetTerminate = 47,
	PST_CreateTensorAsOrtValue = 48,
	PST_CreateTensorWithDataAsOrtValue = 49,
	PST_GetTensorMutableData = 51,
	PST_GetStringTensorDataLength = 53,
	PST_GetStringTensorContent = 54,
	PST_GetTensorElementType = 60,
	PST_GetDimensionsCount = 61,
	PST_GetDimensions = 62,
	PST_GetTensorTypeAndShape = 65,
	PST_GetValueType = 67,
	PST_CreateCpuMemoryInfo = 69,
	PST_GetAllocatorWithDefaultOptions = 78,
	PST_ReleaseEnv = 92,
	PST_ReleaseStatus = 93,
	PST_ReleaseMemoryInfo = 94,
	PST_ReleaseSession = 95,
	PST_ReleaseValue = 96,
	PST_ReleaseRunOptions = 97,
	PST_ReleaseTensorTypeAndShapeInfo = 99,
	PST_ReleaseSessionOptions = 100,
	PST_AddSessionConfigEntry = 130,
	PST_CreateAndRegisterAllocator = 144,
	PST_ReleaseArenaCfg = 157,
	PST_CreateArenaCfgV2 = 164,
	PST_AddRunConfigEntry = 165,
	PST_HasValue = 192,
	PST_SessionOptionsAppendExecutionProvider_CUDA_V2 = 204,
	PST_CreateCUDAProviderOptions = 205,
	PST_UpdateCUDAProviderOptions = 206,
	PST_ReleaseCUDAProviderOptions = 208,
	PST_GetResizedStringTensorElementBuffer = 252,
};

// Numbers of the interface's enumerations. Errors are returned; only what is fatal may go to stderr.
enum { PST_FATAL_LEVEL = 4, PST_ARENA = 1, PST_TENSOR = 1, PST_STRING = 8 };

// What a value is.
enum {
	PST_BOUND,  // a view of memory: data, size, dims and type are the caller's
	PST_AUTO,   // an output that the runtime allocates: a run fills value, out, dims and type
	PST_OWNED,  // a value whose memory is the runtime's, an input made of strings
};

// pst_value is one input or output. It lives in C's memory.
typedef struct {
	void *value;    // the OrtValue, or NULL while there is none of these data and dims
	void *out;      // memory of the runtime's own, of PST_AUTO
	uintptr_t data; // memory of the caller's, of PST_BOUND; no pointer, so that Go may store one of its own
	size_t size;    // bytes at data
	size_t rank;
	int64_t dims[PST_MAX_RANK];
	int32_t type;  // ONNX's number
	int32_t kind;
	int32_t stale; // value is not of these data and dims; the next run makes it anew
} pst_value;

// Errors of pst_open.
enum { PST_OK, PST_NO_LIBRARY, PST_NO_BASE, PST_TOO_OLD, PST_NO_START };

typedef struct pst_status pst_status; // an OrtStatus: NULL is success, and pst_free_status frees another

int pst_open(const char *path, const char **version);
void pst_close(void);

// pst_limit makes the arena of sessions that have session.use_env_allocators, of at most so many bytes.
pst_status *pst_limit(size_t bytes);

int pst_error_code(pst_status *s);
const char *pst_error_message(pst_status *s);
void pst_free_status(pst_status *s);

pst_status *pst_session_options(void **options, int threads, int mem_pattern);
pst_status *pst_session_config(void *options, const char *key, const char *value);
pst_status *pst_cuda(void *options, const char *device);
void pst_free_session_options(void *options);
pst_status *pst_session(const char *path, void *options, void **session);
void pst_free_session(void *session);

pst_status *pst_run_options(void **options, int shrink);
pst_status *pst_terminate(void *options, int on);
void pst_free_run_options(void *options);

// pst_run makes the values that are not made yet, runs, and reads what the runtime allocated. A NULL value leaves its
// name out. On failure *at is the value it is about, or -1: inputs from 0, outputs after them.
pst_status *pst_run(void *session, void *options, const char *const *in_names, pst_value *const *in, size_t n_in,
	const char *const *out_names, pst_value *const *out, size_t n_out, int *at);

// pst_strings makes a value of n strings, which lie in bytes one after the other.
pst_status *pst_strings(pst_value *v, const char *bytes, const uint64_t *lengths, size_t n);
// pst_strings_size is how many bytes the strings of a value have together.
pst_status *pst_strings_size(pst_value *v, size_t *size);
// pst_strings_read copies the strings of a value and where each begins.
pst_status *pst_strings_read(pst_value *v, void *bytes, size_t size, size_t *starts, size_t n);
// pst_forget releases the OrtValue.
void pst_forget(pst_value *v);

#endif
