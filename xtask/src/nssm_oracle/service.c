/* A service that does nothing but answer: what both programs start, pause, rotate and stop in the oracle test. */
#include <windows.h>

static SERVICE_STATUS_HANDLE handle;
static SERVICE_STATUS status = {SERVICE_WIN32_OWN_PROCESS, SERVICE_START_PENDING};

static void tell(DWORD state) {
    status.dwCurrentState = state;
    status.dwControlsAccepted = SERVICE_ACCEPT_STOP | SERVICE_ACCEPT_PAUSE_CONTINUE;
    SetServiceStatus(handle, &status);
}

static DWORD WINAPI control(DWORD control, DWORD event, void *data, void *context) {
    switch (control) {
    case SERVICE_CONTROL_STOP: tell(SERVICE_STOPPED); break;
    case SERVICE_CONTROL_PAUSE: tell(SERVICE_PAUSED); break;
    case SERVICE_CONTROL_CONTINUE: tell(SERVICE_RUNNING); break;
    }
    return NO_ERROR;
}

static void WINAPI serve(DWORD count, WCHAR **args) {
    handle = RegisterServiceCtrlHandlerExW(L"", control, NULL);
    tell(SERVICE_RUNNING);
}

int main(void) {
    SERVICE_TABLE_ENTRYW table[] = {{L"", serve}, {NULL, NULL}};
    return !StartServiceCtrlDispatcherW(table);
}
