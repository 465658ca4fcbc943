// Runs code in a forked child, for tests of what ends or bends a process.
#pragma once

#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>

namespace child_process {

constexpr unsigned kSeconds = 30;  // a child that waits for ever is ended

// Returns the exit status of body() in a child, or -1 where a signal ended the child.
template <class Body>
int run(const Body& body) {
  const pid_t child = fork();
  if (child == 0) {
    alarm(kSeconds);
    _exit(body());
  }
  int status = -1;
  if (child < 0 || waitpid(child, &status, 0) != child || !WIFEXITED(status)) return -1;
  return WEXITSTATUS(status);
}

// Returns whether body() is true in a child.
template <class Body>
bool is_true(const Body& body) {
  return run([&] { return body() ? 0 : 1; }) == 0;
}

}  // namespace child_process
