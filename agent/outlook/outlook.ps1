# Asks classic Outlook of this person in this session, by its object model. Reads one JSON request from stdin, writes one JSON
# answer to stdout (windows.ts). NameSpace.AddStore makes an empty archive of a path where there is no file.
$ErrorActionPreference = 'Stop'
[Console]::InputEncoding = New-Object System.Text.UTF8Encoding($false)
[Console]::OutputEncoding = New-Object System.Text.UTF8Encoding($false)

function Answer($document) { [Console]::Out.Write(($document | ConvertTo-Json -Compress -Depth 4)) }

function IsElevated {
  $identity = New-Object System.Security.Principal.WindowsPrincipal([System.Security.Principal.WindowsIdentity]::GetCurrent())
  $identity.IsInRole([System.Security.Principal.WindowsBuiltInRole]::Administrator)
}

function SessionId { [System.Diagnostics.Process]::GetCurrentProcess().SessionId }

function IsRunning {
  $session = SessionId
  @(Get-Process -Name OUTLOOK -ErrorAction SilentlyContinue | Where-Object { $_.SessionId -eq $session }).Count -gt 0
}

# Not across a difference in rights: COM keeps processes of other integrity levels apart.
function IsReachable {
  try { $null = [System.Runtime.InteropServices.Marshal]::GetActiveObject('Outlook.Application'); $true } catch { $false }
}

# With an administrator's rights, none is started: it would have them too, and its user did not ask for that.
function Obstacle {
  if ((SessionId) -eq 0) { return 'no-session' }
  if (-not (Test-Path -LiteralPath 'Registry::HKEY_CLASSES_ROOT\Outlook.Application\CLSID')) { return 'not-installed' }
  if ((IsElevated) -and -not (IsReachable)) { return 'rights' }
}

function StoreAt($session, [string]$path) {
  foreach ($store in $session.Stores) {
    try { $file = [string]$store.FilePath } catch { $file = '' } # a mailbox that is not open has none
    if ($file -and [System.IO.Path]::GetFullPath($file) -eq [System.IO.Path]::GetFullPath($path)) { return $store }
  }
}

# Why Outlook could not have the file for itself.
function Fault([string]$path) {
  try {
    $file = [System.IO.File]::Open($path, 'Open', 'ReadWrite', 'None')
    $file.Dispose()
  } catch {
    if ($_.Exception.GetBaseException() -is [System.UnauthorizedAccessException]) { return 'denied' }
    return 'in-use'
  }
}

try {
  $request = [Console]::In.ReadToEnd() | ConvertFrom-Json
  switch ($request.verb) {
    'look' {
      $obstacle = Obstacle
      Answer @{ outcome = $(if ($obstacle) { $obstacle } else { 'free' }) }
    }
    'open' {
      $path = [string]$request.path
      $obstacle = Obstacle
      if ($obstacle) { Answer @{ outcome = $obstacle }; break }
      if (-not [System.IO.File]::Exists($path)) { Answer @{ outcome = 'missing' }; break }
      $wasRunning = IsRunning
      $outlook = New-Object -ComObject Outlook.Application
      $session = $outlook.Session
      if (-not $wasRunning) { $session.Logon('', '', $false, $false) } # the default profile, without a question
      $store = StoreAt $session $path
      $wasOpen = $null -ne $store
      if (-not $wasOpen) {
        $fault = Fault $path
        if ($fault) { Answer @{ outcome = $fault }; break }
        $session.AddStore($path)
        $store = StoreAt $session $path
        if ($null -eq $store) { throw 'Outlook took the archive and does not show it' }
      }
      $store.GetRootFolder().Display() # a window of its own: what the person is at stays as it is
      Answer @{ outcome = 'opened'; name = [string]$store.DisplayName; wasOpen = [bool]$wasOpen }
    }
    default { throw 'no such verb' }
  }
} catch {
  $cause = $_.Exception.GetBaseException()
  switch ($cause.HResult) {
    -2146959355 { Answer @{ outcome = 'rights' } } # CO_E_SERVER_EXEC_FAILURE: an Outlook with other rights runs
    -2147221164 { Answer @{ outcome = 'not-installed' } } # REGDB_E_CLASSNOTREG
    { $_ -in -2147418111, -2147417846 } { Answer @{ outcome = 'asking' } } # RPC_E_CALL_REJECTED, RPC_E_SERVERCALL_RETRYLATER: a dialog is open
    default { Answer @{ outcome = 'failed'; problem = $cause.Message } }
  }
}
