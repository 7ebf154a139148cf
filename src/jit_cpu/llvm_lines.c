/* Line numbers of the kernel's text (kn_print) on what is emitted: debuggers and disassemblers show them, and people
 * find with them the operator that an instruction is for. DWARF 4, whose relocations every reader of objects knows. */
#include <stdio.h>
#include <string.h>

#include "jit_cpu/llvm_emit.h"

static void set_flag(em *e, const char *name, uint32_t value) {
    LLVMAddModuleFlag(e->module, LLVMModuleFlagBehaviorWarning, name, strlen(name),
                      LLVMValueAsMetadata(LLVMConstInt(e->i32, value, 0)));
}

void em_lines_begin(em *e, const char *symbol) {
    static const char maker[] = "sinter";
    char name[64];
    if (!e->lines) return;
    set_flag(e, "Debug Info Version", LLVMDebugMetadataVersion());
    set_flag(e, "Dwarf Version", 4);
    snprintf(name, sizeof name, "%.48s.kernel", symbol);
    e->file = LLVMDIBuilderCreateFile(e->di, name, strlen(name), "", 0);
    LLVMDIBuilderCreateCompileUnit(e->di, LLVMDWARFSourceLanguageC, e->file, maker, sizeof maker - 1, 1, "", 0, 0, "",
                                   0, LLVMDWARFEmissionLineTablesOnly, 0, 0, 0, "", 0, "", 0);
}

void em_lines_function(em *e, LLVMValueRef fn, const char *name, uint32_t line) {
    if (!e->lines) return;
    LLVMMetadataRef type = LLVMDIBuilderCreateSubroutineType(e->di, e->file, NULL, 0, LLVMDIFlagZero);
    e->scope = LLVMDIBuilderCreateFunction(e->di, e->file, name, strlen(name), "", 0, e->file, line, type, 0, 1, line,
                                           LLVMDIFlagZero, 1);
    LLVMSetSubprogram(fn, e->scope);
    em_line(e, line);
}

void em_line(em *e, uint32_t line) {
    LLVMSetCurrentDebugLocation2(e->b, LLVMDIBuilderCreateDebugLocation(e->context, line, 0, e->scope, NULL));
}

void em_lines_end(em *e) {
    if (e->lines) LLVMDIBuilderFinalize(e->di);
}
