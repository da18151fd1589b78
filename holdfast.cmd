@echo off
rem Runs the command line on a Node.js that can: the one that came with the archive or that npm installed beside it, else the system one.
set "here=%~dp0"
set "node=node"
if exist "%here%node_modules\.bin\node.cmd" set "node=%here%node_modules\.bin\node.cmd"
if exist "%here%node\node.exe" set "node=%here%node\node.exe"
rem A package that was built has JavaScript, a checkout TypeScript.
set "program=%here%agent\cli\holdfast.js"
if not exist "%program%" set "program=%here%agent\cli\holdfast.ts"
rem Compiled sources are kept: half of a command's start goes into reading TypeScript.
if not defined NODE_COMPILE_CACHE set "NODE_COMPILE_CACHE=%LOCALAPPDATA%\Holdfast-cache"
"%node%" --max-semi-space-size=2 --max-old-space-size=2000 --disable-warning=ExperimentalWarning "%program%" %*
