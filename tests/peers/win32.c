/* A peer that calls the Win32 functions itself, so that a mistake on both sides of pipetool cannot hide.
 *
 *   win32 server NAME byte|message|in|out STEP...   CreateNamedPipe and ConnectNamedPipe ("listening" on stderr)
 *   win32 client NAME byte|message|in|out|identify STEP...   CreateFile; SetNamedPipeHandleState for messages
 *   win32 call NAME TEXT                            CallNamedPipe: one message there, one back
 *   win32 info NAME                                 what a client is told of the pipe, and of its own rights
 *   win32 security NAME                             whose the pipe is, and who may open it (SDDL)
 *   win32 child IN OUT                              the textbooks' exchange over two handle IDs
 *   win32 cat | upper | args ARG... | exit N | pid  small programs to be COMMAND
 *   win32 leak PROGRAM ARG...                       a parent that leaves an inheritable handle open (LEAKED)
 *   win32 leaked                                    is that one open here?
 *   win32 handles PROGRAM ARG...                    a parent that gives {in} and {out} to a child
 *   win32 break | ctrl-c PROGRAM ARG...             sends it to the console once the child says "listening"
 *
 * Steps: write:TEXT, hex:DIGITS, empty (a message of no bytes), one (read once, shown as [TEXT]), read (to the end), line
 * (wait for a line on stdin), flush, disconnect, level (what a server may do as its client), hold:MS.
 */
#include <windows.h>
#include <aclapi.h>
#include <fcntl.h>
#include <io.h>
#include <sddl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static char path[300];

static void fail(const char *what) {
    fprintf(stderr, "%s: error %lu\n", what, GetLastError());
    exit(1);
}

static void say(const char *text, DWORD length) {
    DWORD written;
    WriteFile(GetStdHandle(STD_OUTPUT_HANDLE), text, length, &written, NULL);
}

static const char *named(const char *name) {
    snprintf(path, sizeof path, "\\\\.\\pipe\\%s", name);
    return path;
}

/* 1, or 0 at the end. */
static int read_once(HANDLE pipe, int shown) {
    static char buffer[1 << 20];
    DWORD got = 0;
    BOOL whole = ReadFile(pipe, buffer, sizeof buffer, &got, NULL);
    if (!whole && GetLastError() != ERROR_MORE_DATA) {
        if (GetLastError() != ERROR_BROKEN_PIPE && GetLastError() != ERROR_PIPE_NOT_CONNECTED) fail("ReadFile");
        if (shown) say("(end)", 5);
        return 0;
    }
    if (shown) say("[", 1);
    say(buffer, got);
    if (shown) say("]", 1);
    return 1;
}

static void level(HANDLE pipe) {
    HANDLE token;
    DWORD known = 99, length;
    if (!ImpersonateNamedPipeClient(pipe)) fail("ImpersonateNamedPipeClient");
    if (!OpenThreadToken(GetCurrentThread(), TOKEN_QUERY, TRUE, &token)) fail("OpenThreadToken");
    if (!GetTokenInformation(token, TokenImpersonationLevel, &known, sizeof known, &length)) fail("GetTokenInformation");
    RevertToSelf();
    char text[30];
    say(text, snprintf(text, sizeof text, "level %lu", known));
}

static void steps(HANDLE pipe, int count, char **step) {
    DWORD written;
    for (int i = 0; i < count; i++) {
        if (!strncmp(step[i], "write:", 6)) {
            if (!WriteFile(pipe, step[i] + 6, strlen(step[i] + 6), &written, NULL)) fail("WriteFile");
        } else if (!strncmp(step[i], "hex:", 4)) {
            unsigned char bytes[1000];
            DWORD length = strlen(step[i] + 4) / 2;
            for (DWORD at = 0; at < length && at < sizeof bytes; at++) sscanf(step[i] + 4 + 2 * at, "%2hhx", &bytes[at]);
            if (!WriteFile(pipe, bytes, length, &written, NULL)) fail("WriteFile");
        } else if (!strcmp(step[i], "empty")) {
            if (!WriteFile(pipe, "", 0, &written, NULL)) fail("WriteFile");
        } else if (!strcmp(step[i], "one")) {
            read_once(pipe, 1);
        } else if (!strcmp(step[i], "read")) {
            while (read_once(pipe, 0)) {}
        } else if (!strcmp(step[i], "line")) {
            char c;
            while (fread(&c, 1, 1, stdin) == 1 && c != '\n') {}
        } else if (!strcmp(step[i], "flush")) {
            FlushFileBuffers(pipe);
        } else if (!strcmp(step[i], "disconnect")) {
            DisconnectNamedPipe(pipe);
        } else if (!strcmp(step[i], "level")) {
            level(pipe);
        } else if (!strncmp(step[i], "hold:", 5)) {
            Sleep(atoi(step[i] + 5));
        } else {
            fprintf(stderr, "no such step: %s\n", step[i]);
            exit(2);
        }
    }
}

static int server(const char *name, const char *mode, int count, char **step) {
    DWORD access = !strcmp(mode, "in") ? PIPE_ACCESS_INBOUND : !strcmp(mode, "out") ? PIPE_ACCESS_OUTBOUND : PIPE_ACCESS_DUPLEX;
    DWORD kind = !strcmp(mode, "message") ? PIPE_TYPE_MESSAGE | PIPE_READMODE_MESSAGE : PIPE_TYPE_BYTE;
    HANDLE pipe = CreateNamedPipeA(named(name), access, kind, 1, 65536, 65536, 0, NULL);
    if (pipe == INVALID_HANDLE_VALUE) fail("CreateNamedPipe");
    fprintf(stderr, "listening\n");
    if (!ConnectNamedPipe(pipe, NULL) && GetLastError() != ERROR_PIPE_CONNECTED) fail("ConnectNamedPipe");
    steps(pipe, count, step);
    CloseHandle(pipe);
    return 0;
}

static HANDLE connect_to(const char *name, DWORD access, DWORD flags) {
    HANDLE pipe = CreateFileA(named(name), access, 0, NULL, OPEN_EXISTING, flags, NULL);
    if (pipe == INVALID_HANDLE_VALUE) fail("CreateFile");
    return pipe;
}

static int client(const char *name, const char *mode, int count, char **step) {
    DWORD access = !strcmp(mode, "in") ? GENERIC_READ : !strcmp(mode, "out") ? GENERIC_WRITE : GENERIC_READ | GENERIC_WRITE;
    DWORD flags = !strcmp(mode, "identify") ? SECURITY_SQOS_PRESENT | SECURITY_IDENTIFICATION : 0;
    HANDLE pipe = connect_to(name, access, flags);
    DWORD messages = PIPE_READMODE_MESSAGE;
    if (!strcmp(mode, "message") && !SetNamedPipeHandleState(pipe, &messages, NULL, NULL)) fail("SetNamedPipeHandleState");
    steps(pipe, count, step);
    CloseHandle(pipe);
    return 0;
}

static int call(const char *name, char *text) {
    char answer[1000];
    DWORD got;
    if (!CallNamedPipeA(named(name), text, strlen(text), answer, sizeof answer, &got, 5000)) fail("CallNamedPipe");
    say(answer, got);
    return 0;
}

static int info(const char *name) {
    DWORD flags, out, in, most;
    HANDLE pipe = connect_to(name, GENERIC_READ | GENERIC_WRITE, 0);
    if (!GetNamedPipeInfo(pipe, &flags, &out, &in, &most)) fail("GetNamedPipeInfo");
    char text[100];
    say(text, snprintf(text, sizeof text, "%s, buffers %lu and %lu, instances %lu", flags & PIPE_TYPE_MESSAGE ? "messages" : "bytes", out, in, most));
    return 0;
}

static int security(const char *name) {
    SECURITY_INFORMATION wanted = OWNER_SECURITY_INFORMATION | DACL_SECURITY_INFORMATION;
    PSECURITY_DESCRIPTOR found;
    char *text;
    HANDLE pipe = connect_to(name, GENERIC_READ | GENERIC_WRITE, 0);
    DWORD failed = GetSecurityInfo(pipe, SE_KERNEL_OBJECT, wanted, NULL, NULL, NULL, NULL, &found);
    SetLastError(failed);
    if (failed) fail("GetSecurityInfo");
    if (!ConvertSecurityDescriptorToStringSecurityDescriptorA(found, SDDL_REVISION_1, wanted, &text, NULL)) fail("ConvertSecurityDescriptor");
    say(text, strlen(text));
    return 0;
}

static int child(const char *in, const char *out) {
    HANDLE given = (HANDLE)(INT_PTR)atoll(in), answer = (HANDLE)(INT_PTR)atoll(out);
    unsigned char byte = 0, two_hundred = 200;
    DWORD moved;
    if (!ReadFile(given, &byte, 1, &moved, NULL) || byte != 100) fail("ReadFile");
    if (!WriteFile(answer, &two_hundred, 1, &moved, NULL)) fail("WriteFile");
    CloseHandle(answer);
    if (ReadFile(given, &byte, 1, &moved, NULL) && moved) fail("an end");
    return 0;
}

static int copy(int upper) {
    char buffer[4096];
    DWORD got;
    while (ReadFile(GetStdHandle(STD_INPUT_HANDLE), buffer, sizeof buffer, &got, NULL) && got) {
        for (DWORD i = 0; upper && i < got; i++) if (buffer[i] >= 'a' && buffer[i] <= 'z') buffer[i] -= 32;
        say(buffer, got);
    }
    return 0;
}

static DWORD run(char *line, DWORD flags, DWORD *pid, HANDLE *process) {
    STARTUPINFOA startup = {.cb = sizeof startup};
    PROCESS_INFORMATION started;
    if (!CreateProcessA(NULL, line, NULL, NULL, TRUE, flags, NULL, NULL, &startup, &started)) fail("CreateProcess");
    if (pid) { *pid = started.dwProcessId; *process = started.hProcess; return 0; }
    DWORD code;
    WaitForSingleObject(started.hProcess, INFINITE);
    GetExitCodeProcess(started.hProcess, &code);
    return code;
}

/* The rest of our own command line, from argument `first` on; none of ours needs quotes but the program. */
static char *rest(int argc, char **argv, int first) {
    static char line[8000];
    for (int i = first; i < argc; i++) {
        strcat(line, i > first ? " \"" : "\"");
        strcat(line, argv[i]);
        strcat(line, "\"");
    }
    return line;
}

static int leak(char *line) {
    SECURITY_ATTRIBUTES inheritable = {sizeof inheritable, NULL, TRUE};
    HANDLE event = CreateEventA(&inheritable, TRUE, FALSE, NULL);
    char number[30];
    snprintf(number, sizeof number, "%lld", (long long)(INT_PTR)event);
    SetEnvironmentVariableA("LEAKED", number);
    return run(line, 0, NULL, NULL);
}

static int leaked(void) {
    char number[30] = "";
    DWORD flags;
    GetEnvironmentVariableA("LEAKED", number, sizeof number);
    say(number[0] && GetHandleInformation((HANDLE)(INT_PTR)atoll(number), &flags) ? "open\n" : "closed\n", number[0] && GetHandleInformation((HANDLE)(INT_PTR)atoll(number), &flags) ? 5 : 7);
    return 0;
}

static void replace(char *line, const char *what, HANDLE with) {
    char *at = strstr(line, what), after[8000];
    if (!at) return;
    strcpy(after, at + strlen(what));
    sprintf(at, "%lld%s", (long long)(INT_PTR)with, after);
}

/* As AnonymousPipeServerStream does it: two pipes, whose client ends the child inherits. */
static int handles(char *line) {
    SECURITY_ATTRIBUTES inheritable = {sizeof inheritable, NULL, TRUE};
    HANDLE given_read, given_write, answer_read, answer_write, process;
    DWORD moved, pid, code;
    unsigned char byte = 100;
    if (!CreatePipe(&given_read, &given_write, &inheritable, 0) || !CreatePipe(&answer_read, &answer_write, &inheritable, 0)) fail("CreatePipe");
    SetHandleInformation(given_write, HANDLE_FLAG_INHERIT, 0);
    SetHandleInformation(answer_read, HANDLE_FLAG_INHERIT, 0);
    replace(line, "{in}", given_read);
    replace(line, "{out}", answer_write);
    run(line, 0, &pid, &process);
    CloseHandle(given_read);
    CloseHandle(answer_write);
    if (!WriteFile(given_write, &byte, 1, &moved, NULL)) fail("WriteFile");
    CloseHandle(given_write);
    while (ReadFile(answer_read, &byte, 1, &moved, NULL) && moved) fprintf(stderr, "read %d\n", byte);
    fprintf(stderr, "then the end\n");
    WaitForSingleObject(process, INFINITE);
    GetExitCodeProcess(process, &code);
    return code;
}

static BOOL WINAPI not_for_us(DWORD event) {
    (void)event;
    return TRUE;
}

static int send_event(DWORD which, char *line) {
    SECURITY_ATTRIBUTES inheritable = {sizeof inheritable, NULL, TRUE};
    HANDLE read_end, write_end, process;
    DWORD pid, got, code;
    char c, said[2000] = "";
    HANDLE stderr_of_ours = GetStdHandle(STD_ERROR_HANDLE);
    AllocConsole(); /* there may be one */
    if (!CreatePipe(&read_end, &write_end, &inheritable, 0)) fail("CreatePipe");
    SetHandleInformation(read_end, HANDLE_FLAG_INHERIT, 0);
    SetStdHandle(STD_ERROR_HANDLE, write_end);
    SetConsoleCtrlHandler(not_for_us, TRUE);
    run(line, 0, &pid, &process);
    SetStdHandle(STD_ERROR_HANDLE, stderr_of_ours);
    CloseHandle(write_end);
    while (!strstr(said, "listening") && strlen(said) < sizeof said - 1 && ReadFile(read_end, &c, 1, &got, NULL) && got) strncat(said, &c, 1);
    if (!GenerateConsoleCtrlEvent(which, 0)) { TerminateProcess(process, 77); fail("GenerateConsoleCtrlEvent"); }
    if (WaitForSingleObject(process, 20000) != WAIT_OBJECT_0) { TerminateProcess(process, 77); fail("it did not end"); }
    GetExitCodeProcess(process, &code);
    fprintf(stderr, "%08lX\n", code);
    return code == 0xC000013A ? 0 : 1;
}

int main(int argc, char **argv) {
    _setmode(2, _O_BINARY);
    const char *role = argc > 1 ? argv[1] : "";
    if (!strcmp(role, "server") && argc > 3) return server(argv[2], argv[3], argc - 4, argv + 4);
    if (!strcmp(role, "client") && argc > 3) return client(argv[2], argv[3], argc - 4, argv + 4);
    if (!strcmp(role, "call") && argc > 3) return call(argv[2], argv[3]);
    if (!strcmp(role, "info") && argc > 2) return info(argv[2]);
    if (!strcmp(role, "security") && argc > 2) return security(argv[2]);
    if (!strcmp(role, "child") && argc > 3) return child(argv[2], argv[3]);
    if (!strcmp(role, "cat")) return copy(0);
    if (!strcmp(role, "upper")) return copy(1);
    if (!strcmp(role, "exit") && argc > 2) return (int)strtoul(argv[2], NULL, 0);
    if (!strcmp(role, "leak")) return leak(rest(argc, argv, 2));
    if (!strcmp(role, "leaked")) return leaked();
    if (!strcmp(role, "handles")) return handles(rest(argc, argv, 2));
    if (!strcmp(role, "break")) return send_event(CTRL_BREAK_EVENT, rest(argc, argv, 2));
    if (!strcmp(role, "ctrl-c")) return send_event(CTRL_C_EVENT, rest(argc, argv, 2));
    if (!strcmp(role, "pid")) {
        char text[60];
        const char *pid = getenv("PIPETOOL_PEER_PID");
        say(text, snprintf(text, sizeof text, "%s", pid ? pid : "unknown"));
        return 0;
    }
    if (!strcmp(role, "args")) {
        for (int i = 2; i < argc; i++) { say("[", 1); say(argv[i], strlen(argv[i])); say("]", 1); }
        return 0;
    }
    fprintf(stderr, "win32: see the head of win32.c\n");
    return 2;
}
