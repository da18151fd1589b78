// Stands in for PowerShell with agent/composition/data-protection.ps1: its argument is the script, its secret a prefix.
let text = ''
for await (const part of process.stdin) text += part
const { verb, data } = JSON.parse(text)
const bytes = Buffer.from(data, 'base64')
const mark = Buffer.from('sealed by this account ')
if (!process.argv[2].endsWith('data-protection.ps1')) throw new Error('not the script')
if (verb === 'protect') process.stdout.write(JSON.stringify({ data: Buffer.concat([mark, bytes.toReversed()]).toString('base64') }))
else if (bytes.subarray(0, mark.length).equals(mark)) process.stdout.write(JSON.stringify({ data: Buffer.from(bytes.subarray(mark.length).toReversed()).toString('base64') }))
else process.stdout.write(JSON.stringify({ problem: 'Key not valid for use in specified state.' }))
