@echo off
rem Runs the command line on a Node.js that can: the one that npm installed beside it, else the system one.
set "here=%~dp0"
set "node=%here%node_modules\.bin\node.cmd"
if not exist "%node%" set "node=node"
"%node%" --max-semi-space-size=2 --disable-warning=ExperimentalWarning "%here%agent\cli\holdfast.ts" %*
