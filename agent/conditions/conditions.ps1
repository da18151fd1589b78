# How the machine is used: one JSON line for each line on stdin, until stdin ends.
# GetLastInputInfo, SystemInformation.PowerStatus and the cost of the connection as Windows tells it (ConnectionCost).
$ErrorActionPreference = 'Stop'
Add-Type -AssemblyName System.Windows.Forms
Add-Type -TypeDefinition @'
using System;
using System.Runtime.InteropServices;
public static class HoldfastInput {
  [StructLayout(LayoutKind.Sequential)] struct LastInput { public uint Size; public uint Time; }
  [DllImport("user32.dll")] static extern bool GetLastInputInfo(ref LastInput info);
  public static double IdleSeconds() {
    var info = new LastInput();
    info.Size = (uint)Marshal.SizeOf(info);
    if (!GetLastInputInfo(ref info)) return -1;
    return unchecked((uint)Environment.TickCount - info.Time) / 1000.0;
  }
}
'@
function Test-Metered {
  try {
    [void][Windows.Networking.Connectivity.NetworkInformation, Windows.Networking.Connectivity, ContentType = WindowsRuntime]
    $profile = [Windows.Networking.Connectivity.NetworkInformation]::GetInternetConnectionProfile()
    if ($null -eq $profile) { return $null }
    $cost = $profile.GetConnectionCost()
    # Unknown 0, Unrestricted 1, Fixed 2, Variable 3
    if ([int]$cost.NetworkCostType -eq 0) { return $null }
    return ([int]$cost.NetworkCostType -ge 2) -or $cost.Roaming
  } catch { return $null }
}
while ($null -ne [Console]::In.ReadLine()) {
  $idle = [HoldfastInput]::IdleSeconds()
  $line = [System.Windows.Forms.SystemInformation]::PowerStatus.PowerLineStatus
  $answer = @{
    idleSeconds = $(if ($idle -lt 0) { $null } else { $idle })
    onBattery = $(if ([int]$line -gt 1) { $null } else { [int]$line -eq 0 })
    isMetered = Test-Metered
  }
  [Console]::Out.WriteLine((ConvertTo-Json $answer -Compress))
  [Console]::Out.Flush()
}
