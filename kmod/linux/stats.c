// SPDX-License-Identifier: GPL-2.0-only
/*
 * Counters: KVM_GET_STATS_FD (api.rst, 4.133) for the VMM; debugfs nestvmx/ for people: global leak counters, and per VM and
 * vCPU one file each.
 */
#include <linux/anon_inodes.h>
#include <linux/debugfs.h>
#include <linux/file.h>
#include <linux/fs.h>
#include <linux/module.h>
#include <linux/seq_file.h>
#include <linux/uaccess.h>

#include "nestvmx.h"

static struct dentry *root;
static atomic_t vm_number;

/* --- binary statistics --- */

#define NAME_SIZE 32

static const struct {
	const char *name;
	size_t offset; /* in struct nv_stats */
} counters[] = {
	{ "exits", offsetof(struct nv_stats, l0_exits) },
	{ "nested_entries", offsetof(struct nv_stats, nested_entries) },
	{ "nested_fails", offsetof(struct nv_stats, nested_fails) },
	{ "ept_rewalk_hits", offsetof(struct nv_stats, ept_rewalk_hits) },
	{ "shadow_fills", offsetof(struct nv_stats, shadow_fills) },
	{ "shadow_drops", offsetof(struct nv_stats, shadow_drops) },
	{ "invept", offsetof(struct nv_stats, invept) },
	{ "invvpid", offsetof(struct nv_stats, invvpid) },
	{ "injected", offsetof(struct nv_stats, injected) },
};

#define NCOUNTERS ARRAY_SIZE(counters)

struct stats_file {
	struct kvm_stats_header header;
	u8 desc[NCOUNTERS][sizeof(struct kvm_stats_desc) + NAME_SIZE];
	u64 data[NCOUNTERS];
};

static u64 counter(const struct nv_stats *s, unsigned int i)
{
	return READ_ONCE(*(const u64 *)((const char *)s + counters[i].offset));
}

static ssize_t stats_read(struct file *file, char __user *buf, size_t len, loff_t *pos)
{
	struct nvx_vcpu *x = file->private_data;
	struct stats_file *f = kzalloc(sizeof(*f), GFP_KERNEL_ACCOUNT);
	unsigned int i;
	ssize_t r;

	if (!f)
		return -ENOMEM;
	f->header = (struct kvm_stats_header){ .name_size = NAME_SIZE, .num_desc = NCOUNTERS,
					       .desc_offset = offsetof(struct stats_file, desc),
					       .data_offset = offsetof(struct stats_file, data) };
	for (i = 0; i < NCOUNTERS; i++) {
		struct kvm_stats_desc *desc = (void *)f->desc[i];

		*desc = (struct kvm_stats_desc){ .flags = KVM_STATS_TYPE_CUMULATIVE | KVM_STATS_UNIT_NONE |
								    KVM_STATS_BASE_POW10, .size = 1, .offset = i * sizeof(u64) };
		strscpy(desc->name, counters[i].name, NAME_SIZE);
		f->data[i] = counter(&x->v.stats, i);
	}
	r = simple_read_from_buffer(buf, len, pos, f, sizeof(*f));
	kfree(f);
	return r;
}

static int stats_release(struct inode *inode, struct file *file)
{
	struct nvx_vcpu *x = file->private_data;

	fput(x->file);
	return 0;
}

static const struct file_operations stats_fops = {
	.owner = THIS_MODULE,
	.read = stats_read,
	.release = stats_release,
	.llseek = noop_llseek,
};

int nvx_stats_fd(struct nvx_vcpu *x)
{
	struct file *file;
	int fd = get_unused_fd_flags(O_CLOEXEC);

	if (fd < 0)
		return fd;
	file = anon_inode_getfile("nestvmx-stats", &stats_fops, x, O_RDONLY);
	if (IS_ERR(file)) {
		put_unused_fd(fd);
		return PTR_ERR(file);
	}
	file->f_mode |= FMODE_PREAD;
	get_file(x->file); /* given back in stats_release() */
	fd_install(fd, file);
	return fd;
}

/* --- debugfs --- */

static void show_reasons(struct seq_file *m, const char *what, const u64 *n)
{
	int i;

	for (i = 0; i < NV_NREASONS; i++)
		if (n[i])
			seq_printf(m, "%s %d %llu\n", what, i, n[i]);
}

static void show_fields(struct seq_file *m, const char *what, const u64 *n)
{
	int i;

	for (i = 0; i < NV_NFIELDS; i++)
		if (n[i])
			seq_printf(m, "%s %s %llu\n", what, nv_fields[i].name, n[i]);
}

static int vcpu_show(struct seq_file *m, void *unused)
{
	struct nvx_vcpu *x = m->private;
	unsigned int i;

	for (i = 0; i < NCOUNTERS; i++)
		seq_printf(m, "%s %llu\n", counters[i].name, counter(&x->v.stats, i));
	show_reasons(m, "exit_l1", x->v.stats.exits[NV_L1]);
	show_reasons(m, "exit_l2", x->v.stats.exits[NV_L2]);
	show_reasons(m, "reflected", x->v.stats.reflected);
	show_fields(m, "vmread", x->v.stats.vmread);
	show_fields(m, "vmwrite", x->v.stats.vmwrite);
	return 0;
}
DEFINE_SHOW_ATTRIBUTE(vcpu);

static int vm_show(struct seq_file *m, void *unused)
{
	struct nvx_vm *vm = m->private;

	seq_printf(m, "table_pages %llu\ntable_pages_max %llu\nzaps %llu\n", vm->vm.stats.table_pages, vm->vm.stats.table_pages_max,
		   vm->vm.stats.zaps);
	return 0;
}
DEFINE_SHOW_ATTRIBUTE(vm);

static int global_show(struct seq_file *m, void *unused)
{
	seq_printf(m, "pages %ld\npinned %ld\n", atomic_long_read(&nvx_pages), atomic_long_read(&nvx_pinned));
	return 0;
}
DEFINE_SHOW_ATTRIBUTE(global);

/* debugfs never fails its callers: what cannot be created is absent. */
void nvx_debugfs_add_vm(struct nvx_vm *vm)
{
	char name[16];

	snprintf(name, sizeof(name), "vm%d", atomic_inc_return(&vm_number));
	vm->debugfs = debugfs_create_dir(name, root);
	debugfs_create_file("memory", 0400, vm->debugfs, vm, &vm_fops);
}

void nvx_debugfs_add_vcpu(struct nvx_vcpu *x)
{
	char name[16];

	snprintf(name, sizeof(name), "vcpu%d", x->v.id);
	x->debugfs = debugfs_create_file(name, 0400, x->vm->debugfs, x, &vcpu_fops);
}

void nvx_stats_init(void)
{
	root = debugfs_create_dir("nestvmx", NULL);
	debugfs_create_file("memory", 0400, root, NULL, &global_fops);
}

void nvx_stats_exit(void)
{
	debugfs_remove(root);
}
