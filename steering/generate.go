package steering

// The objects are committed, so that building telcol needs no C compiler. They
// are built by the compiler named here, whose output is reproducible;
// `make check-generate` proves that they belong to the source.
//go:generate go tool bpf2go -cc clang-14 -strip llvm-strip-14 -cflags "-Wall -Wextra -Werror" -type settings -type counters -type address -type prefix steer ../bpf/steer.c
