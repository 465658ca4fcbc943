// Functions and data of newer versions of glibc that the static runtime libraries of GCC refer to.
// A build for an older glibc (GGFP8_GLIBC) defines them here; no other build compiles this file.
#include <dlfcn.h>
#include <link.h>

#include <cstddef>
#include <cstdint>

#if __GLIBC_PREREQ(2, 35)
namespace {

struct Search {
  uintptr_t address;
  dl_find_object* found;
};

// Fills found and stops the walk if the address is in one of the segments of a loaded object.
int visit_object(dl_phdr_info* info, size_t, void* data) {
  const auto* search = static_cast<const Search*>(data);
  uintptr_t begin = UINTPTR_MAX;
  uintptr_t end = 0;
  uintptr_t eh_frame = 0;
  bool is_inside = false;
  for (size_t i = 0; i < info->dlpi_phnum; ++i) {
    const ElfW(Phdr) & segment = info->dlpi_phdr[i];
    const uintptr_t first = info->dlpi_addr + segment.p_vaddr;
    const uintptr_t last = first + segment.p_memsz;
    if (segment.p_type == PT_GNU_EH_FRAME) eh_frame = first;
    if (segment.p_type != PT_LOAD) continue;
    is_inside = is_inside || (search->address >= first && search->address < last);
    begin = first < begin ? first : begin;
    end = last > end ? last : end;
  }
  if (!is_inside || eh_frame == 0) return 0;
  search->found->dlfo_flags = 0;
  search->found->dlfo_map_start = reinterpret_cast<void*>(begin);
  search->found->dlfo_map_end = reinterpret_cast<void*>(end);
  search->found->dlfo_link_map = nullptr;
  search->found->dlfo_eh_frame = reinterpret_cast<void*>(eh_frame);
  return 1;
}

}  // namespace
#endif

extern "C" {

#if __GLIBC_PREREQ(2, 32)
// glibc 2.32: whether the process has one thread. The answer "no" makes libstdc++ count references
// with atomic instructions, which is always right.
char __libc_single_threaded = 0;
#endif

#if __GLIBC_PREREQ(2, 35)
// glibc 2.35: finds the loaded object that has an address, and its table for unwinding. The
// unwinder calls the function once per stack frame of an exception, and reads no other members than
// these.
int _dl_find_object(void* address, dl_find_object* result) {
  Search search = {reinterpret_cast<uintptr_t>(address), result};
  return dl_iterate_phdr(visit_object, &search) == 1 ? 0 : -1;
}
#endif
}
