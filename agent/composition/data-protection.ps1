# Seals or opens a small secret for the account that this process runs as. Reads one JSON request from stdin, writes one JSON
# answer to stdout (data-protection.ts).
$ErrorActionPreference = 'Stop'
[Console]::InputEncoding = New-Object System.Text.UTF8Encoding($false)
[Console]::OutputEncoding = New-Object System.Text.UTF8Encoding($false)
Add-Type -AssemblyName System.Security
try {
  $request = [Console]::In.ReadToEnd() | ConvertFrom-Json
  $data = [Convert]::FromBase64String($request.data)
  $scope = [System.Security.Cryptography.DataProtectionScope]::CurrentUser
  $result = switch ($request.verb) {
    'protect' { [System.Security.Cryptography.ProtectedData]::Protect($data, $null, $scope) }
    'unprotect' { [System.Security.Cryptography.ProtectedData]::Unprotect($data, $null, $scope) }
    default { throw "no such verb" }
  }
  [Console]::Out.Write((@{ data = [Convert]::ToBase64String($result) } | ConvertTo-Json -Compress))
} catch {
  [Console]::Out.Write((@{ problem = $_.Exception.Message } | ConvertTo-Json -Compress))
}
