# One call to Active Directory as the account that this process runs as. Reads one JSON request from stdin, writes one JSON
# answer to stdout (adsi-directory.ts). Signing and sealing come with ADSI's secure binding.
$ErrorActionPreference = 'Stop'
[Console]::InputEncoding = New-Object System.Text.UTF8Encoding($false)
[Console]::OutputEncoding = New-Object System.Text.UTF8Encoding($false)
Add-Type -AssemblyName System.DirectoryServices

$secure = [System.DirectoryServices.AuthenticationTypes]'Secure,Signing,Sealing'

function Answer($document) { [Console]::Out.Write(($document | ConvertTo-Json -Compress -Depth 4)) }
function Open([string]$path) { New-Object System.DirectoryServices.DirectoryEntry("LDAP://$($request.server)/$path", $null, $null, $secure) }
function Escape([string]$text) { $text -replace '\\', '\5c' -replace '\*', '\2a' -replace '\(', '\28' -replace '\)', '\29' }

function DomainName { (Open 'RootDSE').Properties['defaultNamingContext'].Value }

function Find([string]$base, [string]$filter, [string[]]$attributes, [int]$limit) {
  $searcher = New-Object System.DirectoryServices.DirectorySearcher((Open $base), $filter, $attributes)
  $searcher.PageSize = 500
  $found = $searcher.FindAll()
  try { $found | Select-Object -First $limit } finally { $found.Dispose() }
}

function OwnContainer {
  if ($request.container) { return $request.container }
  $account = Escape "$env:COMPUTERNAME`$"
  $computer = Find (DomainName) "(&(objectClass=computer)(sAMAccountName=$account))" @('distinguishedName') 1
  if (-not $computer) { throw "there is no computer account $env:COMPUTERNAME" }
  $computer.Properties['distinguishedname'][0]
}

function CommonName([string]$record) {
  $bytes = [System.Text.Encoding]::UTF8.GetBytes("$($request.label)`0$record")
  $digest = [System.Security.Cryptography.SHA256]::Create().ComputeHash($bytes)
  'CN=holdfast-' + (-join ($digest | ForEach-Object { $_.ToString('x2') })).Substring(0, 40)
}

function Record([string]$record) {
  $entry = Open "$(CommonName $record),$(OwnContainer)"
  try { $entry.RefreshCache(); $entry } catch [System.Runtime.InteropServices.COMException] {
    if ($_.Exception.ErrorCode -eq -2147016656) { $null } else { throw } # ERROR_DS_NO_SUCH_OBJECT
  }
}

try {
  $request = [Console]::In.ReadToEnd() | ConvertFrom-Json
  switch ($request.verb) {
    'state' {
      $root = Open 'RootDSE'
      Answer @{ outcome = 'state'; service = [string]$root.Properties['dsServiceName'].Value; usn = [string]$root.Properties['highestCommittedUSN'].Value }
    }
    'search' {
      $base = if ($request.container) { $request.container } else { DomainName }
      $changed = if ($request.since) { "(uSNChanged>=$($request.since))" } else { '' }
      $filter = "(&(objectClass=serviceConnectionPoint)(keywords=$(Escape $request.keyword))$changed)"
      $records = @(Find $base $filter @('keywords', 'serviceBindingInformation') $request.limit | ForEach-Object {
        $name = $_.Properties['keywords'] | Where-Object { $_.StartsWith('holdfast-record:') } | Select-Object -First 1
        @{ name = if ($name) { $name.Substring(16) } else { '' }; text = [string]($_.Properties['servicebindinginformation'] | Select-Object -First 1) }
      })
      Answer @{ outcome = 'records'; records = $records }
    }
    'prepare' {
      if ($request.container) {
        $entry = Open $request.container
        try { $entry.RefreshCache() } catch [System.Runtime.InteropServices.COMException] {
          if ($_.Exception.ErrorCode -ne -2147016656) { throw }
          $parts = $request.container -split '(?<!\\),', 2
          $made = (Open $parts[1]).Children.Add($parts[0], 'container')
          $made.CommitChanges()
        }
      } else { $null = OwnContainer }
      Answer @{ outcome = 'done' }
    }
    'add' {
      try {
        $entry = (Open (OwnContainer)).Children.Add((CommonName $request.name), 'serviceConnectionPoint')
        $null = $entry.Properties['keywords'].Add($request.keyword)
        $null = $entry.Properties['keywords'].Add("holdfast-record:$($request.name)")
        $entry.Properties['serviceClassName'].Value = 'Holdfast'
        $entry.Properties['serviceBindingInformation'].Value = $request.text
        $entry.CommitChanges()
        Answer @{ outcome = 'created' }
      } catch [System.Runtime.InteropServices.COMException] {
        if ($_.Exception.ErrorCode -eq -2147019886) { Answer @{ outcome = 'exists' } } else { throw } # ERROR_OBJECT_ALREADY_EXISTS
      }
    }
    'replace' {
      $entry = Record $request.name
      if ($entry) {
        $entry.Properties['serviceBindingInformation'].Value = $request.text
        $entry.CommitChanges()
        Answer @{ outcome = 'done' }
      } else { Answer @{ outcome = 'missing' } }
    }
    'remove' {
      $entry = Record $request.name
      if ($entry) { $entry.DeleteTree() }
      Answer @{ outcome = 'done' }
    }
    default { throw "no such verb" }
  }
} catch {
  Answer @{ outcome = 'failed'; problem = $_.Exception.Message }
}
