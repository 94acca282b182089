// One portable binary, the widest vectors that the machine has.
#ifndef ANABRANCH_GFLOWNET_FUNCTION_CLONES_H_
#define ANABRANCH_GFLOWNET_FUNCTION_CLONES_H_

// Before a function whose loops the compiler vectorises: it is compiled for several instruction
// sets, and the loader takes the best. Sanitizers can't run the resolvers that choose.
#if defined(__x86_64__) && defined(__GNUC__) && !defined(__clang__) && \
    !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
#define ANABRANCH_FUNCTION_CLONES \
  __attribute__((target_clones("arch=x86-64-v4", "arch=x86-64-v3", "default")))
#else
#define ANABRANCH_FUNCTION_CLONES
#endif

#endif  // ANABRANCH_GFLOWNET_FUNCTION_CLONES_H_
