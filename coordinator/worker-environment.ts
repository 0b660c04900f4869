/** How a worker process treats memory and threads. */

/**
 * - `OMP_WAIT_POLICY`: programs that spin while they wait starve each other where cores are few.
 * - `GLIBC_TUNABLES`: ONNX Runtime's binding allocates a new array for every output of every run. By default glibc maps
 *   and unmaps each, and the page faults cost more than the arithmetic (measured: 4.3 ms instead of 0.9 ms for adding
 *   two 5.5 MB tensors). Kept on the heap, and on huge pages where the kernel grants them, they cost a copy.
 *   Other C libraries ignore the variable.
 */
export function workerEnvironment(parent: NodeJS.ProcessEnv): NodeJS.ProcessEnv {
  const tunables = [
    parent.GLIBC_TUNABLES,
    "glibc.malloc.hugetlb=1",
    "glibc.malloc.mmap_threshold=1073741824",
    "glibc.malloc.trim_threshold=1073741824",
  ];
  return {
    ...parent,
    OMP_WAIT_POLICY: "PASSIVE",
    GLIBC_TUNABLES: tunables.filter((tunable) => tunable).join(":"),
  };
}
