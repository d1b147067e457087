// Runs a program whose clock is wrong: clock OFFSET-FILE PROGRAM [ARGUMENT...]
//
// CLOCK_REALTIME is off by the number of seconds that the file contains at the moment when the
// program asks. This affects only the program itself, not the programs that it starts, and only
// where it uses clock_gettime(2), as Go and the C library do.
//
// Programs read the clock from the vDSO, without a system call. So this program stops the other one
// as it starts and removes the vDSO from its auxiliary vector; a supervisor then receives the
// system calls that it makes instead (seccomp_unotify(2)).
#define _GNU_SOURCE
#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <poll.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#if defined(__x86_64__)
#define ARCH AUDIT_ARCH_X86_64
#define STACK(registers) ((registers).rsp)
#elif defined(__aarch64__)
#define ARCH AUDIT_ARCH_AARCH64
#define STACK(registers) ((registers).sp)
#else
#error "an architecture that is not supported"
#endif

static void check(int good, const char *what) {
  if (good) return;
  perror(what);
  exit(125);
}

// Installs the filter; returns the descriptor on which its requests arrive.
static int filter(void) {
  struct sock_filter code[] = {
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, arch)),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, ARCH, 0, 6),
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, __NR_clock_gettime, 0, 4),
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, args[0])),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, CLOCK_REALTIME, 1, 0),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, CLOCK_REALTIME_COARSE, 0, 1),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_USER_NOTIF),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
  };
  struct sock_fprog program = {.len = sizeof code / sizeof *code, .filter = code};
  return (int)syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_NEW_LISTENER, &program);
}

// Removes the vDSO's address from the new stack of a program that is stopped at its first
// instruction.
static void hide_vdso(pid_t program) {
  struct user_regs_struct registers;
  struct iovec vector = {&registers, sizeof registers};
  check(ptrace(PTRACE_GETREGSET, program, NT_PRSTATUS, &vector) == 0, "reading the registers");
  // Number of arguments, arguments, zero, environment, zero, auxiliary vector.
  unsigned long at = STACK(registers), word = sizeof(long);
  at += word * (2 + (unsigned long)ptrace(PTRACE_PEEKDATA, program, at, 0));
  while (ptrace(PTRACE_PEEKDATA, program, at, 0)) at += word;
  for (at += word;; at += 2 * word) {
    long kind = ptrace(PTRACE_PEEKDATA, program, at, 0);
    if (kind == AT_NULL) return;
    if (kind == AT_SYSINFO_EHDR) check(ptrace(PTRACE_POKEDATA, program, at, AT_IGNORE) == 0, "hiding the vDSO");
  }
}

// Answers requests as long as a process exists that can send them.
static void answer(int listener, int offset_file) {
  long long offset = 0;
  for (;;) {
    struct pollfd ready = {.fd = listener, .events = POLLIN};
    if (poll(&ready, 1, -1) < 0) continue;
    if (!(ready.revents & POLLIN)) return;
    struct seccomp_notif question;
    memset(&question, 0, sizeof question);
    // The process that asked may have ended by now.
    if (ioctl(listener, SECCOMP_IOCTL_NOTIF_RECV, &question) != 0) continue;
    char text[32];
    ssize_t length = pread(offset_file, text, sizeof text - 1, 0);
    if (length > 0) {
      text[length] = 0;
      offset = strtoll(text, NULL, 10);
    }
    struct timespec now;
    clock_gettime((clockid_t)question.data.args[0], &now);
    now.tv_sec += offset;
    struct iovec here = {&now, sizeof now}, there = {(void *)question.data.args[1], sizeof now};
    struct seccomp_notif_resp reply = {.id = question.id};
    if (ioctl(listener, SECCOMP_IOCTL_NOTIF_ID_VALID, &question.id) != 0) continue;
    if (process_vm_writev((pid_t)question.pid, &here, 1, &there, 1, 0) != sizeof now) reply.error = -EFAULT;
    ioctl(listener, SECCOMP_IOCTL_NOTIF_SEND, &reply);
  }
}

static void supervise(pid_t program, int ready, int go, const char *offset_path) {
  int number, status, offset_file = open(offset_path, O_RDONLY | O_CLOEXEC);
  check(offset_file >= 0, offset_path);
  check(read(ready, &number, sizeof number) == sizeof number, "waiting for the program");
  int handle = (int)syscall(SYS_pidfd_open, program, 0);
  check(handle >= 0, "pidfd_open");
  int listener = (int)syscall(SYS_pidfd_getfd, handle, number, 0);
  check(listener >= 0, "pidfd_getfd");
  check(ptrace(PTRACE_SEIZE, program, 0, PTRACE_O_TRACEEXEC) == 0, "tracing the program");
  check(write(go, "", 1) == 1, "letting the program go");
  check(waitpid(program, &status, __WALL) == program, "waiting for the program");
  if (!WIFSTOPPED(status)) exit(0);
  hide_vdso(program);
  check(ptrace(PTRACE_DETACH, program, 0, 0) == 0, "leaving the program");
  answer(listener, offset_file);
  exit(0);
}

int main(int count, char **arguments) {
  if (count < 3) {
    fputs("usage: clock OFFSET-FILE PROGRAM [ARGUMENT...]\n", stderr);
    return 125;
  }
  int ready[2], go[2];
  char byte;
  check(pipe2(ready, O_CLOEXEC) == 0 && pipe2(go, O_CLOEXEC) == 0, "pipe");
  pid_t program = getpid(), supervisor = fork();
  check(supervisor >= 0, "fork");
  if (supervisor == 0) {
    close(ready[1]);
    close(go[0]);
    supervise(program, ready[0], go[1], arguments[1]);
  }
  close(ready[0]);
  close(go[1]);
  int listener = filter();
  check(listener >= 0, "seccomp");
  check(write(ready[1], &listener, sizeof listener) == sizeof listener, "asking for a supervisor");
  check(read(go[0], &byte, 1) == 1, "waiting for the supervisor");
  execvp(arguments[2], arguments + 2);
  check(0, arguments[2]);
}
