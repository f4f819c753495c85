#include "capi.h"

#include <dlfcn.h>
#include <stdlib.h>
#include <string.h>

// The library of this process. Open and Close in runtime.go see to it that there is one, and hold their lock.
static struct {
	void *library;
	void *const *api;
	void *env;
	void *memory;    // OrtMemoryInfo of the CPU
	void *allocator; // the default one
} ort;

// CALL casts a position of the table to the signature that belongs to it.
#define CALL(name, ...) ((pst_status * (*)(__VA_ARGS__)) ort.api[PST_##name])
#define RELEASE(name, p) (((void (*)(void *))ort.api[PST_Release##name])(p))

#define TRY(call)             \
	do {                      \
		pst_status *s = call; \
		if (s) return s;      \
	} while (0)

typedef struct {
	void *const *(*api)(uint32_t version);
	const char *(*version)(void);
} base;

static int start(const char **version) {
	const base *(*get)(void) = (const base *(*)(void))dlsym(ort.library, "OrtGetApiBase");
	if (!get) return PST_NO_BASE;
	const base *b = get();
	if (!b) return PST_NO_BASE;
	*version = b->version();
	ort.api = b->api(PST_API);
	if (!ort.api) return PST_TOO_OLD;
	pst_status *s = CALL(CreateEnv, int, const char *, void **)(PST_FATAL_LEVEL, "penstock", &ort.env);
	if (!s) s = CALL(CreateCpuMemoryInfo, int, int, void **)(PST_ARENA, 0, &ort.memory);
	if (!s) s = CALL(GetAllocatorWithDefaultOptions, void **)(&ort.allocator);
	if (!s) return PST_OK;
	pst_free_status(s);
	return PST_NO_START;
}

int pst_open(const char *path, const char **version) {
	ort.library = dlopen(path, RTLD_LAZY);
	if (!ort.library) return PST_NO_LIBRARY;
	int rc = start(version);
	if (rc != PST_OK) pst_close();
	return rc;
}

void pst_close(void) {
	if (ort.memory) RELEASE(MemoryInfo, ort.memory);
	if (ort.env) RELEASE(Env, ort.env);
	if (ort.library) dlclose(ort.library);
	memset(&ort, 0, sizeof ort);
}

pst_status *pst_limit(size_t bytes) {
	const char *keys[] = {"max_mem", "arena_extend_strategy", "initial_chunk_size_bytes", "max_dead_bytes_per_chunk"};
	// The first allocation is kept when the arena shrinks, so that only runs that take more give and get memory anew. Of
	// it only what is written takes memory.
	const size_t values[] = {bytes, 0, bytes < 64 << 20 ? bytes : 64 << 20, (size_t)-1};
	void *config = NULL;
	TRY(CALL(CreateArenaCfgV2, const char *const *, const size_t *, size_t, void **)(keys, values, 4, &config));
	pst_status *s = CALL(CreateAndRegisterAllocator, void *, const void *, const void *)(ort.env, ort.memory, config);
	RELEASE(ArenaCfg, config);
	return s;
}

int pst_error_code(pst_status *s) { return ((int (*)(const void *))ort.api[PST_GetErrorCode])(s); }
const char *pst_error_message(pst_status *s) { return ((const char *(*)(const void *))ort.api[PST_GetErrorMessage])(s); }
void pst_free_status(pst_status *s) { RELEASE(Status, s); }

pst_status *pst_session_options(void **o, int threads, int mem_pattern) {
	TRY(CALL(CreateSessionOptions, void **)(o));
	TRY(CALL(SetIntraOpNumThreads, void *, int)(*o, threads));
	TRY(CALL(SetInterOpNumThreads, void *, int)(*o, 1));
	TRY(CALL(SetSessionLogSeverityLevel, void *, int)(*o, PST_FATAL_LEVEL));
	if (mem_pattern) return CALL(EnableMemPattern, void *)(*o);
	return CALL(DisableMemPattern, void *)(*o);
}

pst_status *pst_session_config(void *o, const char *key, const char *value) {
	return CALL(AddSessionConfigEntry, void *, const char *, const char *)(o, key, value);
}

pst_status *pst_cuda(void *o, const char *device) {
	void *cuda = NULL;
	TRY(CALL(CreateCUDAProviderOptions, void **)(&cuda));
	const char *key = "device_id";
	pst_status *s = CALL(UpdateCUDAProviderOptions, void *, const char *const *, const char *const *, size_t)(
		cuda, &key, &device, 1);
	if (!s) s = CALL(SessionOptionsAppendExecutionProvider_CUDA_V2, void *, const void *)(o, cuda);
	RELEASE(CUDAProviderOptions, cuda);
	return s;
}

void pst_free_session_options(void *o) { RELEASE(SessionOptions, o); }

pst_status *pst_session(const char *path, void *o, void **session) {
	return CALL(CreateSession, const void *, const char *, const void *, void **)(ort.env, path, o, session);
}

void pst_free_session(void *session) { RELEASE(Session, session); }

pst_status *pst_run_options(void **o, int shrink) {
	TRY(CALL(CreateRunOptions, void **)(o));
	if (!shrink) return NULL;
	return CALL(AddRunConfigEntry, void *, const char *, const char *)(*o, "memory.enable_memory_arena_shrinkage", "cpu:0");
}

pst_status *pst_terminate(void *o, int on) {
	if (on) return CALL(RunOptionsSetTerminate, void *)(o);
	return CALL(RunOptionsUnsetTerminate, void *)(o);
}

void pst_free_run_options(void *o) { RELEASE(RunOptions, o); }

void pst_forget(pst_value *v) {
	if (v->value) RELEASE(Value, v->value);
	v->value = NULL;
	v->out = NULL;
	v->stale = 0;
}

// make gives a bound value its OrtValue.
static pst_status *make(pst_value *v) {
	if (v->value && !v->stale) return NULL;
	pst_forget(v);
	return CALL(CreateTensorWithDataAsOrtValue, const void *, void *, size_t, const int64_t *, size_t, int, void **)(
		ort.memory, (void *)v->data, v->size, v->dims, v->rank, v->type, &v->value);
}

static pst_status *describe(pst_value *v, void *info) {
	TRY(CALL(GetTensorElementType, const void *, int32_t *)(info, &v->type));
	TRY(CALL(GetDimensionsCount, const void *, size_t *)(info, &v->rank));
	if (v->rank > PST_MAX_RANK) return NULL; // raw.go refuses it
	TRY(CALL(GetDimensions, const void *, int64_t *, size_t)(info, v->dims, v->rank));
	if (v->type == PST_STRING) return NULL;
	return CALL(GetTensorMutableData, void *, void **)(v->value, &v->out);
}

// learn reads type, shape and memory of a value that the runtime allocated. A type of 0 says it is no tensor.
static pst_status *learn(pst_value *v) {
	int type = 0;
	v->type = 0;
	v->rank = 0;
	TRY(CALL(HasValue, const void *, int *)(v->value, &type));
	if (!type) return NULL;
	TRY(CALL(GetValueType, const void *, int *)(v->value, &type));
	if (type != PST_TENSOR) return NULL;
	void *info = NULL;
	TRY(CALL(GetTensorTypeAndShape, const void *, void **)(v->value, &info));
	pst_status *s = describe(v, info);
	RELEASE(TensorTypeAndShapeInfo, info);
	return s;
}

#define FEW 96 // values of one side that need no memory from the heap

typedef struct {
	const char *few_names[FEW];
	void *few_values[FEW];
	const char **names;
	void **values;
	size_t n;
} side;

static void room(side *s, size_t n) {
	s->n = 0;
	s->names = s->few_names;
	s->values = s->few_values;
	if (n > FEW) {
		s->names = calloc(n, sizeof *s->names);
		s->values = calloc(n, sizeof *s->values);
		if (!s->names || !s->values) abort(); // as Go does without memory
	}
}

static void leave(side *s) {
	if (s->names != s->few_names) {
		free(s->names);
		free(s->values);
	}
}

static void put(side *s, const char *name, void *value) {
	s->names[s->n] = name;
	s->values[s->n++] = value;
}

// gather makes and lists the values of one side. Outputs begin at first.
static pst_status *gather(side *s, const char *const *names, pst_value *const *v, size_t n, int first, int outputs, int *at) {
	for (size_t i = 0; i < n; i++) {
		if (!v[i]) continue;
		int fresh = outputs && v[i]->kind == PST_AUTO;
		*at = first + (int)i;
		if (!fresh) TRY(make(v[i]));
		put(s, names[i], fresh ? NULL : v[i]->value);
	}
	*at = -1;
	return NULL;
}

static pst_status *run(void *session, void *options, side *a, side *b) {
	return CALL(Run, void *, const void *, const char *const *, void *const *, size_t, const char *const *, size_t, void **)(
		session, options, a->names, a->values, a->n, b->names, b->n, b->values);
}

// keep takes over what the runtime allocated, all of it, so that none is lost. What a value held before is released
// only now: it may have been an input of the same run.
static pst_status *keep(side *b, pst_value *const *out, size_t n, int first, int *at) {
	pst_status *failed = NULL;
	for (size_t i = 0, k = 0; i < n; i++) {
		if (!out[i]) continue;
		void *value = b->values[k++];
		if (out[i]->kind != PST_AUTO || !value) continue;
		pst_forget(out[i]);
		out[i]->value = value;
		pst_status *s = learn(out[i]);
		if (s && !failed) {
			failed = s;
			*at = first + (int)i;
		} else if (s) {
			pst_free_status(s);
		}
	}
	return failed;
}

pst_status *pst_run(void *session, void *options, const char *const *in_names, pst_value *const *in, size_t n_in,
	const char *const *out_names, pst_value *const *out, size_t n_out, int *at) {
	side a, b;
	room(&a, n_in);
	room(&b, n_out);
	pst_status *s = gather(&a, in_names, in, n_in, 0, 0, at);
	if (!s) s = gather(&b, out_names, out, n_out, (int)n_in, 1, at);
	if (!s) s = run(session, options, &a, &b);
	if (!s) s = keep(&b, out, n_out, (int)n_in, at);
	leave(&a);
	leave(&b);
	return s;
}

static pst_status *fill(pst_value *v, const char *bytes, const uint64_t *lengths, size_t n) {
	for (size_t i = 0; i < n; i++) {
		char *to = NULL;
		TRY(CALL(GetResizedStringTensorElementBuffer, void *, size_t, size_t, char **)(v->value, i, lengths[i], &to));
		if (lengths[i]) memcpy(to, bytes, lengths[i]);
		bytes += lengths[i];
	}
	return NULL;
}

pst_status *pst_strings(pst_value *v, const char *bytes, const uint64_t *lengths, size_t n) {
	pst_forget(v);
	TRY(CALL(CreateTensorAsOrtValue, void *, const int64_t *, size_t, int, void **)(
		ort.allocator, v->dims, v->rank, PST_STRING, &v->value));
	pst_status *s = fill(v, bytes, lengths, n);
	if (s) pst_forget(v);
	return s;
}

pst_status *pst_strings_size(pst_value *v, size_t *size) {
	return CALL(GetStringTensorDataLength, const void *, size_t *)(v->value, size);
}

pst_status *pst_strings_read(pst_value *v, void *bytes, size_t size, size_t *starts, size_t n) {
	return CALL(GetStringTensorContent, const void *, void *, size_t, size_t *, size_t)(v->value, bytes, size, starts, n);
}
