// Linked into every executable of a sanitizer build, so that it reports what is ours however it is
// started. The names are those that the sanitizers' runtimes look for.

extern "C" {

// LibTorch and its OpenMP runtime, and the web server of the metrics, are not instrumented: what
// they do among themselves looks like races.
const char* __tsan_default_suppressions() {
  return "called_from_lib:libgomp.so\n"
         "called_from_lib:libtorch_cpu.so\n"
         "called_from_lib:libc10.so\n"
         "race:libgomp.so\n"
         "race:libtorch_cpu.so\n"
         "race:libc10.so\n"
         "race:libprometheus-cpp-pull.so\n"
         "race:libcivetweb.so\n";
}

const char* __tsan_default_options() { return "history_size=7:second_deadlock_stack=1"; }

// Registries that LibTorch keeps for the life of a process.
const char* __lsan_default_suppressions() {
  return "leak:libtorch_cpu.so\n"
         "leak:libc10.so\n"
         "leak:libgomp.so\n";
}

const char* __asan_default_options() {
  return "detect_stack_use_after_return=1:strict_string_checks=1:check_initialization_order=1";
}

const char* __ubsan_default_options() { return "print_stacktrace=1"; }

}  // extern "C"
