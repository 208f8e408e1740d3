// Loaded before Azurite: ends it when its standard input does, that is when the process that started it ends,
// however that happens (SIGKILL too). Where data is in a folder, SIGTERM lets it write down the rest of it.
const end = () => {
  if (process.argv.includes("--inMemoryPersistence")) process.exit(0);
  process.kill(process.pid, "SIGTERM");
  setTimeout(() => process.exit(0), 5000);
};
process.stdin.on("end", end).on("error", end).resume();
process.stdin.unref(); // it alone keeps nothing alive
