# Bounds the memory of a build by the number of CUDA sources that are compiled at the same time.
#
# ggfp8_limit_compile_jobs(<target>) puts a CUDA target into a pool of Ninja. Other generators have
# no pools: there the number of jobs is that of the command line.
set(GGFP8_CUDA_JOBS "" CACHE STRING
  "Most CUDA sources to compile at the same time (Ninja); empty: as many as memory is there for")

# MiB: what a source takes, and what sm100_gemm.cu takes beyond that.
set(GGFP8_MEMORY_OF_A_JOB 768)
set(GGFP8_MEMORY_OF_SM100 3600)

# Sets ${result} to the MiB that the build may use: those that are free, or those of its container.
function(ggfp8_available_memory result)
  cmake_host_system_information(RESULT memory QUERY AVAILABLE_PHYSICAL_MEMORY)
  foreach(file IN ITEMS /sys/fs/cgroup/memory.max /sys/fs/cgroup/memory/memory.limit_in_bytes)
    if(EXISTS ${file})
      file(READ ${file} limit)
      string(STRIP "${limit}" limit)
      # A limit of 16 digits and more stands for none, and is more than math() can hold.
      if(limit MATCHES "^[0-9]+$")
        string(LENGTH ${limit} num_digits)
        if(num_digits LESS 16)
          math(EXPR limit "${limit} / 1048576")
          if(limit LESS memory)
            set(memory ${limit})
          endif()
        endif()
      endif()
    endif()
  endforeach()
  set(${result} ${memory} PARENT_SCOPE)
endfunction()

# Sets ${result} to the number of CUDA sources for which `memory` MiB are enough, at least 1.
function(ggfp8_compile_jobs_for result memory)
  math(EXPR jobs "(${memory} - ${GGFP8_MEMORY_OF_SM100}) / ${GGFP8_MEMORY_OF_A_JOB}")
  if(jobs LESS 1)
    set(jobs 1)
  endif()
  set(${result} ${jobs} PARENT_SCOPE)
endfunction()

function(ggfp8_limit_compile_jobs target)
  get_property(pools GLOBAL PROPERTY JOB_POOLS)
  if(NOT pools MATCHES "ggfp8_cuda=")
    set(jobs ${GGFP8_CUDA_JOBS})
    if(NOT jobs)
      ggfp8_available_memory(memory)
      ggfp8_compile_jobs_for(jobs ${memory})
      message(STATUS "groupgemm_fp8: at most ${jobs} CUDA sources at a time, for ${memory} MiB of "
        "memory (GGFP8_CUDA_JOBS)")
    endif()
    set_property(GLOBAL APPEND PROPERTY JOB_POOLS ggfp8_cuda=${jobs})
  endif()
  set_target_properties(${target} PROPERTIES JOB_POOL_COMPILE ggfp8_cuda)
endfunction()
