# Makes and removes volume shadow copies (WMI class Win32_ShadowCopy). Reads one JSON request from stdin, writes one JSON
# answer to stdout (shadow-copies.ts). The codes are those that Win32_ShadowCopy.Create documents.
$ErrorActionPreference = 'Stop'
[Console]::InputEncoding = New-Object System.Text.UTF8Encoding($false)
[Console]::OutputEncoding = New-Object System.Text.UTF8Encoding($false)

function Answer($document) { [Console]::Out.Write(($document | ConvertTo-Json -Compress -Depth 4)) }

function IsElevated {
  $identity = New-Object System.Security.Principal.WindowsPrincipal([System.Security.Principal.WindowsIdentity]::GetCurrent())
  $identity.IsInRole([System.Security.Principal.WindowsBuiltInRole]::Administrator)
}

# The volume with the longest name that the path begins with: a folder may be a volume of its own.
function VolumeOf([string]$path) {
  Get-CimInstance Win32_Volume |
    Where-Object { $_.Name -and $path.StartsWith($_.Name, [System.StringComparison]::OrdinalIgnoreCase) } |
    Sort-Object { $_.Name.Length } -Descending | Select-Object -First 1
}

try {
  $request = [Console]::In.ReadToEnd() | ConvertFrom-Json
  switch ($request.verb) {
    'rights' { Answer @{ outcome = 'rights'; elevated = [bool](IsElevated) } }
    'make' {
      if (-not (IsElevated)) { Answer @{ outcome = 'denied' }; break }
      $volume = VolumeOf $request.path
      if (-not $volume) { Answer @{ outcome = 'no-volume' }; break }
      for ($try = 1; ; $try++) {
        $made = Invoke-CimMethod -ClassName Win32_ShadowCopy -MethodName Create -Arguments @{ Volume = $volume.Name; Context = 'ClientAccessible' }
        if ($made.ReturnValue -ne 9 -or $try -ge 10) { break } # 9: another shadow copy is being made
        Start-Sleep -Seconds 10
      }
      switch ($made.ReturnValue) {
        0 {
          $copy = Get-CimInstance Win32_ShadowCopy -Filter "ID='$($made.ShadowID)'"
          Answer @{ outcome = 'made'; id = [string]$made.ShadowID; volume = [string]$volume.Name; device = [string]$copy.DeviceObject }
        }
        1 { Answer @{ outcome = 'denied' } }
        { $_ -in 3, 4, 5 } { Answer @{ outcome = 'no-volume' } } # not found, not supported, unsupported context
        { $_ -in 6, 8 } { Answer @{ outcome = 'no-space' } } # insufficient storage, too many shadow copies
        default { Answer @{ outcome = 'failed'; problem = "Windows answers $($made.ReturnValue)" } }
      }
    }
    'remove' {
      Get-CimInstance Win32_ShadowCopy -Filter "ID='$($request.id)'" | Remove-CimInstance
      Answer @{ outcome = 'removed' }
    }
    default { throw 'no such verb' }
  }
} catch {
  Answer @{ outcome = 'failed'; problem = $_.Exception.Message }
}
