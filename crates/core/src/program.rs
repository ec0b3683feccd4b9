/// This very program, for a child process that is it once more, whatever became of its file: an update
/// or a build puts another in its place while it runs. By Linux, as all that the program needs of its
/// machine.
pub const THIS_PROGRAM: &str = "/proc/self/exe";
