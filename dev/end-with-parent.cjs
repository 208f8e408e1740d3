// Loaded before Azurite: ends it when its standard input does, that is when the process that started it ends,
// however that happens (SIGKILL too). SIGTERM lets it write down what it still has in memory.
const end = () => {
  process.kill(process.pid, "SIGTERM");
  setTimeout(() => process.exit(0), 5000);
};
process.stdin.on("end", end).on("error", end).resume();
