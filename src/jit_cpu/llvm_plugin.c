/* The plug-in's one exported function: a kernel's bytes in, an object or text out.
 *
 *     kn_decode -> kn_expand -> em_kernel -> LLVMVerifyModule -> passes -> code generator
 *
 * Objects are compiled by an ORC LLJIT of their own: the passes run in its IR transform layer, the object is copied in
 * its object transform layer, and with `keep` the JIT stays alive with the function that it linked. Nothing is kept
 * between calls, so they may come from any threads. LLVM aborts the process on what its code generator does not know;
 * therefore only constructs are emitted that it does, and every module is verified first. */
#include "jit_cpu/llvm_plugin.h"

#include <llvm-c/Analysis.h>
#include <llvm-c/LLJIT.h>
#include <llvm-c/Orc.h>
#include <llvm-c/Target.h>
#include <llvm-c/TargetMachine.h>
#include <llvm-c/Transforms/PassBuilder.h>
#include <stdio.h>
#include <string.h>

#include "jit_cpu/llvm_emit.h"

/* Short on purpose: the emitter vectorises, unrolls and hoists by itself. */
static const char passes[] = "function(sroa,early-cse<memssa>,instcombine<no-verify-fixpoint>,simplifycfg,early-cse)";

static const char triple[] = "x86_64-unknown-linux-gnu";

/* A compilation. What belongs to LLVM is freed by close_job, whatever happened. */
typedef struct {
    const sinter_llvm_request *request;
    sinter_llvm_result *result;
    base_alloc alloc;
    base_arena arena;
    base_trap trap;
    const char *cpu;
    LLVMTargetMachineRef machine;
    LLVMOrcThreadSafeContextRef safe_context;
    LLVMContextRef context; /* of safe_context */
    LLVMModuleRef module;
    LLVMBuilderRef builder;
    LLVMDIBuilderRef lines;
    LLVMOrcLLJITRef jit;
    int out_of_memory;
} job;

/* LLVM's registry of targets is process-wide and has no lock of its own: filled once, while the plug-in is being
 * opened. */
__attribute__((constructor)) static void register_target(void) {
    LLVMInitializeX86TargetInfo();
    LLVMInitializeX86Target();
    LLVMInitializeX86TargetMC();
    LLVMInitializeX86AsmPrinter();
}

/* ---- errors, results --------------------------------------------------------------------------------------------- */

static void check(job *j, LLVMErrorRef error, const char *what) {
    if (!error) return;
    char *message = LLVMGetErrorMessage(error), text[512];
    snprintf(text, sizeof text, "%s", message);
    LLVMDisposeErrorMessage(message);
    base_fail(&j->trap, SN_ERR_COMPILE, "LLVM: %s: %s", what, text);
}

/* Hands bytes to the caller. */
static void give(job *j, const char *bytes, size_t n) {
    const sn_allocator *a = &j->request->allocator;
    sinter_llvm_result *out = j->result;
    if (out->bytes) a->realloc(a->user, out->bytes, out->n, 0);
    out->n = 0;
    out->bytes = a->realloc(a->user, NULL, 0, n);
    if (!out->bytes) {
        j->out_of_memory = 1;
        return;
    }
    memcpy(out->bytes, bytes, n);
    out->n = n;
}

/* ---- kernel -> module -------------------------------------------------------------------------------------------- */

static LLVMTargetMachineRef new_machine(job *j) {
    LLVMTargetRef target;
    char *message = NULL;
    if (LLVMGetTargetFromTriple(triple, &target, &message)) {
        LLVMDisposeMessage(message);
        base_fail(&j->trap, SN_ERR_COMPILE, "this LLVM cannot generate code for %s", triple);
    }
    LLVMTargetMachineRef machine =
        LLVMCreateTargetMachine(target, triple, j->cpu, "", LLVMCodeGenLevelLess, LLVMRelocPIC, LLVMCodeModelSmall);
    if (!machine) base_fail(&j->trap, SN_ERR_COMPILE, "LLVM makes no target machine for %s", j->cpu);
    return machine;
}

static void build_module(job *j) {
    const sinter_llvm_request *request = j->request;
    kn_kernel *kernel = kn_decode(&j->arena, request->kernel, request->kernel_size);
    const kn_lines lines = kn_lines_of(&j->arena, kernel);
    int v4 = strcmp(request->level, "v4") == 0;
    kernel = kn_expand(&j->arena, kernel, v4 ? KN_HAS_SCALE : 0);

    j->machine = new_machine(j);
    j->safe_context = LLVMOrcCreateNewThreadSafeContext();
    j->context = LLVMOrcThreadSafeContextGetContext(j->safe_context);
    j->module = LLVMModuleCreateWithNameInContext(request->symbol, j->context);
    j->builder = LLVMCreateBuilderInContext(j->context);
    LLVMTargetDataRef layout = LLVMCreateTargetDataLayout(j->machine);
    LLVMSetTarget(j->module, triple);
    LLVMSetModuleDataLayout(j->module, layout);
    LLVMDisposeTargetData(layout);

    if (request->lines) j->lines = LLVMCreateDIBuilder(j->module);
    em e = {.arena = &j->arena,
            .k = kernel,
            .v4 = v4,
            .context = j->context,
            .module = j->module,
            .b = j->builder,
            .lines = request->lines ? &lines : NULL,
            .di = j->lines};
    em_kernel(&e, request->symbol);

    char *message = NULL;
    if (LLVMVerifyModule(j->module, LLVMReturnStatusAction, &message)) {
        char text[512];
        snprintf(text, sizeof text, "%s", message);
        LLVMDisposeMessage(message);
        base_fail(&j->trap, SN_ERR_INTERNAL, "the code generator made a bad module: %s", text);
    }
    LLVMDisposeMessage(message);
}

static LLVMErrorRef run_passes(job *j, LLVMModuleRef module) {
    LLVMPassBuilderOptionsRef options = LLVMCreatePassBuilderOptions();
    LLVMErrorRef error = LLVMRunPasses(module, passes, j->machine, options);
    LLVMDisposePassBuilderOptions(options);
    return error;
}

/* ---- module -> object, through ORC ------------------------------------------------------------------------------- */

static LLVMErrorRef transform_module(void *arg, LLVMModuleRef module) {
    job *j = arg;
    /* The JIT has modules of its own, which are none of our business. */
    return LLVMGetNamedFunction(module, j->request->symbol) ? run_passes(j, module) : LLVMErrorSuccess;
}

static LLVMErrorRef transform_ir(void *arg, LLVMOrcThreadSafeModuleRef *module,
                                 LLVMOrcMaterializationResponsibilityRef mr) {
    (void)mr;
    return LLVMOrcThreadSafeModuleWithModuleDo(*module, transform_module, arg);
}

static LLVMErrorRef capture_object(void *arg, LLVMMemoryBufferRef *object) {
    give(arg, LLVMGetBufferStart(*object), LLVMGetBufferSize(*object));
    return LLVMErrorSuccess;
}

static void make_jit(job *j) {
    LLVMOrcLLJITBuilderRef builder = LLVMOrcCreateLLJITBuilder();
    LLVMOrcLLJITBuilderSetJITTargetMachineBuilder(
        builder, LLVMOrcJITTargetMachineBuilderCreateFromTargetMachine(new_machine(j)));
    check(j, LLVMOrcCreateLLJIT(&j->jit, builder), "cannot make a JIT");
}

/* Leaves the JIT alive with its code. */
static void hand_over(job *j, LLVMOrcExecutorAddress address) {
    j->result->address = (void *)(uintptr_t)address;
    j->result->handle = j->jit;
    j->jit = NULL;
}

static void build_object(job *j) {
    make_jit(j);
    LLVMOrcIRTransformLayerSetTransform(LLVMOrcLLJITGetIRTransformLayer(j->jit), transform_ir, j);
    LLVMOrcObjectTransformLayerSetTransform(LLVMOrcLLJITGetObjTransformLayer(j->jit), capture_object, j);

    LLVMOrcThreadSafeModuleRef module = LLVMOrcCreateNewThreadSafeModule(j->module, j->safe_context);
    j->module = NULL; /* the JIT's now, even if it refuses it */
    LLVMErrorRef error = LLVMOrcLLJITAddLLVMIRModule(j->jit, LLVMOrcLLJITGetMainJITDylib(j->jit), module);
    if (error) LLVMOrcDisposeThreadSafeModule(module);
    check(j, error, "cannot add the module");
    LLVMOrcExecutorAddress address = 0;
    check(j, LLVMOrcLLJITLookup(j->jit, &address, j->request->symbol), "cannot compile");
    if (j->out_of_memory) base_fail(&j->trap, SN_ERR_NOMEM, "no memory for the object of a kernel");
    if (!j->result->bytes) base_fail(&j->trap, SN_ERR_COMPILE, "LLVM gave no object");
    if (j->request->keep) hand_over(j, address);
}

static void link_object(job *j) {
    const sinter_llvm_request *r = j->request;
    make_jit(j);
    LLVMMemoryBufferRef object = LLVMCreateMemoryBufferWithMemoryRangeCopy(r->object, r->object_size, r->symbol);
    check(j, LLVMOrcLLJITAddObjectFile(j->jit, LLVMOrcLLJITGetMainJITDylib(j->jit), object), "cannot add the object");
    LLVMOrcExecutorAddress address = 0;
    check(j, LLVMOrcLLJITLookup(j->jit, &address, r->symbol), "cannot link");
    hand_over(j, address);
}

static void release(void *handle) {
    if (!handle) return;
    LLVMErrorRef error = LLVMOrcDisposeLLJIT(handle);
    if (error) LLVMConsumeError(error);
}

/* ---- module -> text ---------------------------------------------------------------------------------------------- */

static void build_text(job *j) {
    if (j->request->want != SINTER_LLVM_RAW) check(j, run_passes(j, j->module), "cannot run the passes");
    if (j->request->want != SINTER_LLVM_ASM) {
        char *text = LLVMPrintModuleToString(j->module);
        give(j, text, strlen(text) + 1);
        LLVMDisposeMessage(text);
    } else {
        LLVMMemoryBufferRef buffer;
        char *message = NULL;
        if (LLVMTargetMachineEmitToMemoryBuffer(j->machine, j->module, LLVMAssemblyFile, &message, &buffer)) {
            LLVMDisposeMessage(message);
            base_fail(&j->trap, SN_ERR_COMPILE, "LLVM gave no assembly text");
        }
        give(j, LLVMGetBufferStart(buffer), LLVMGetBufferSize(buffer) + 1); /* buffers end in a NUL */
        LLVMDisposeMemoryBuffer(buffer);
    }
    if (j->out_of_memory) base_fail(&j->trap, SN_ERR_NOMEM, "no memory for the text of a kernel");
}

/* ---- the entry point --------------------------------------------------------------------------------------------- */

static void run_job(void *arg) {
    job *j = arg;
    if (j->request->want == SINTER_LLVM_LINK) {
        link_object(j);
        return;
    }
    build_module(j);
    if (j->request->want == SINTER_LLVM_OBJECT)
        build_object(j);
    else
        build_text(j);
}

static void close_job(job *j) {
    if (j->builder) LLVMDisposeBuilder(j->builder);
    if (j->lines) LLVMDisposeDIBuilder(j->lines);
    if (j->module) LLVMDisposeModule(j->module);
    release(j->jit);
    if (j->safe_context) LLVMOrcDisposeThreadSafeContext(j->safe_context);
    if (j->machine) LLVMDisposeTargetMachine(j->machine);
    base_arena_free(&j->arena);
}

static const char *check_request(const sinter_llvm_request *r) {
    if (r->struct_size != sizeof *r || r->abi != SINTER_LLVM_ABI)
        return "libsinter and libsinter-llvm are of different versions";
    if (r->codegen && strcmp(r->codegen, SINTER_LLVM_CODEGEN))
        return "libsinter and libsinter-llvm were built from different sources";
    int links = r->want == SINTER_LLVM_LINK;
    if (!(links ? r->object : r->kernel) || !r->symbol || !*r->symbol || !r->level || !r->allocator.realloc)
        return "a field of the request is NULL";
    if (strcmp(r->level, "v3") && strcmp(r->level, "v4")) return "the level must be v3 or v4";
    if (r->want > SINTER_LLVM_LINK) return "nothing is known of what is wanted";
    return NULL;
}

__attribute__((visibility("default"))) sn_status sinter_llvm_compile(const sinter_llvm_request *request,
                                                                     sinter_llvm_result *result) {
    unsigned major, minor, patch;
    LLVMGetVersion(&major, &minor, &patch);
    *result = (sinter_llvm_result){.release = release};
    snprintf(result->llvm, sizeof result->llvm, "%u.%u.%u", major, minor, patch);
    const char *wrong = check_request(request);
    if (wrong) {
        snprintf(result->text, sizeof result->text, "%s", wrong);
        return SN_ERR_ARGUMENT;
    }
    job j = {.request = request, .result = result, .cpu = strcmp(request->level, "v4") ? "x86-64-v3" : "x86-64-v4"};
    base_alloc_init(&j.alloc, &request->allocator);
    base_arena_init(&j.arena, &j.alloc, &j.trap);
    sn_status status = base_protect(&j.trap, run_job, &j);
    if (status) {
        if (result->bytes) request->allocator.realloc(request->allocator.user, result->bytes, result->n, 0);
        release(result->handle);
        result->bytes = NULL;
        result->address = result->handle = NULL;
        result->n = 0;
        snprintf(result->text, sizeof result->text, "%s", j.trap.text);
    }
    close_job(&j);
    return status;
}
