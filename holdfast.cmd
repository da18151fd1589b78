@echo off
rem Runs the command line on a Node.js that can: the one that npm installed beside it, else the system one.
set "here=%~dp0"
set "node=%here%node_modules\.bin\node.cmd"
if not exist "%node%" set "node=node"
rem Compiled sources are kept: half of a command's start goes into reading TypeScript.
if not defined NODE_COMPILE_CACHE set "NODE_COMPILE_CACHE=%here%node_modules\.cache\holdfast"
"%node%" --max-semi-space-size=2 --disable-warning=ExperimentalWarning "%here%agent\cli\holdfast.ts" %*
